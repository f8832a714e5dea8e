package upstream

import (
	"fmt"
	"net/http"
)

// Protect calls f and turns a panic in it into an error, for goroutines that net/http
// does not save. What was panicked with may hold a user's data: only its type is told.
// [http.ErrAbortHandler], the way to break an answer off, is returned as it is.
func Protect(f func() error) (err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			err = http.ErrAbortHandler
		default:
			err = fmt.Errorf("panic of type %T", p)
		}
	}()
	return f()
}

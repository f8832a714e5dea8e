package main

import (
	"bytes"
	"fmt"
	"strconv"
)

// A request is what is asked, and what a right answer is.
type request struct {
	method, path string
	body         []byte // JSON; nil: none
	status       int
	documents    int    // in the answer; anyNumber: not looked at
	holds        string // is somewhere in the answer
}

const anyNumber = -1

// append appends the request as HTTP/1.1 has it.
func (r request) append(b []byte, host string) []byte {
	b = append(b, r.method...)
	b = append(b, ' ')
	b = append(b, r.path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	if r.body != nil {
		b = append(b, "\r\nContent-Type: application/json\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.body)), 10)
	}
	b = append(b, "\r\n\r\n"...)
	return append(b, r.body...)
}

// check says what is wrong with an answer. Documents are counted by the marker that
// each begins its id with: to decode every answer would cost the machine more than to
// make it.
func (r request) check(status int, body []byte, marker string) error {
	if status != r.status {
		return fmt.Errorf("%s %s: status %d, not %d: %.200q", r.method, r.path, status, r.status, body)
	}
	if r.documents != anyNumber {
		if n := bytes.Count(body, []byte(marker)); n != r.documents {
			return fmt.Errorf("%s %s: %d documents, not %d", r.method, r.path, n, r.documents)
		}
	}
	if !bytes.Contains(body, []byte(r.holds)) {
		return fmt.Errorf("%s %s: the answer does not hold %q", r.method, r.path, r.holds)
	}
	return nil
}

package rond

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"user-manager/upstream"
)

// mostWords bounds what is kept of Rönd's words, in bytes.
const mostWords = 1 << 10

// notFound is what Rönd says when it could not look for the bindings that a revoke is about.
// It looks before it changes anything.
const notFound = "failed crud request for finding bindings"

// didNothing returns the error of a call, as one that surely did nothing if Rönd says so. Of
// any other 500 it cannot be known how far it came.
func didNothing(err error) error {
	failed, ok := errors.AsType[*upstream.Error](err)
	if ok && failed.Status == http.StatusInternalServerError && failed.Message == notFound {
		failed.NotDone = true
	}
	return err
}

// reason returns why Rönd refuses, "" for a body that is not its own. The reason is in
// `error`; `message` says the same of every refusal.
func reason(body []byte) string {
	var answer struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	if len(answer.Error) > mostWords {
		answer.Error = strings.ToValidUTF8(answer.Error[:mostWords], "")
	}
	return answer.Error
}

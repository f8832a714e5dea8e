package facadetest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
)

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // of texts, numbers and what was JSON before
}

// say answers with an error of the facade's own.
func say(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, map[string]any{"statusCode": status, "error": http.StatusText(status), "message": message})
}

// pass answers with what the tenant has answered: a success as it is, a refusal as the
// configuration says.
func (f *Facade) pass(w http.ResponseWriter, r reply) {
	switch {
	case r.err != nil:
		say(w, http.StatusInternalServerError, "the tenant does not answer")
	case r.ok(), f.cfg.Errors == Passed:
		if kind := r.header.Get("Content-Type"); kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		w.WriteHeader(r.status)
		_, _ = w.Write(r.body)
	case f.cfg.Errors == Restated:
		say(w, r.status, r.words())
	default:
		say(w, http.StatusInternalServerError, r.words())
	}
}

// words are what the tenant says in a refusal.
func (r reply) words() string {
	var said struct {
		Message     string `json:"message"`
		Description string `json:"error_description"`
		Error       string `json:"error"`
	}
	if json.Unmarshal(r.body, &said) != nil {
		return string(r.body)
	}
	return cmp.Or(said.Message, said.Description, said.Error)
}

// again returns a body that is read once more.
func again(body []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(body)) }

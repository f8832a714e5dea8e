package rondtest

import (
	_ "embed"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// Names that Rönd gives itself.
const (
	name    = "rönd"
	version = "1.15.0"
)

// generic is the message of every refusal, of those for bad input too.
const generic = "Internal server error, please try again later"

// succeed writes a success. Rönd sets no content type, and net/http takes JSON for text.
func succeed(w http.ResponseWriter, body map[string]any) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	write(w, http.StatusOK, body)
}

func refuse(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	write(w, status, refusalBody(status, reason))
}

func refusalBody(status int, reason string) map[string]any {
	return map[string]any{"error": reason, "message": generic, "statusCode": status}
}

func write(w http.ResponseWriter, status int, body map[string]any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // to a caller that is gone
}

// decoderWords returns what Rönd's decoder says, which names Rönd's types.
func decoderWords(err error) string {
	return strings.NewReplacer(
		"rondtest.grantBody", "service.GrantRequestBody", "grantBody.", "GrantRequestBody.",
		"rondtest.revokeBody", "service.RevokeRequestBody", "revokeBody.", "RevokeRequestBody.",
	).Replace(err.Error())
}

// status answers whatever the method is. It says nothing of the CRUD Service.
func status(ok bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		code, word := http.StatusOK, "OK"
		if !ok {
			code, word = http.StatusServiceUnavailable, "KO"
		}
		w.Header().Set("Content-Type", "application/json")
		write(w, code, map[string]any{"status": word, "name": name, "version": version})
	}
}

func metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8; escaping=values")
	_, _ = io.WriteString(w, "# no metrics here\n")
}

// described is the recording of Rönd's description of itself.
//
//go:embed testdata/openapi.json
var described []byte

func openapi(w http.ResponseWriter, _ *http.Request) {
	var recorded struct {
		Steps []struct {
			Response struct{ Body json.RawMessage }
		}
	}
	if err := json.Unmarshal(described, &recorded); err != nil {
		panic(err) // it is part of this package
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(recorded.Steps[0].Response.Body)
}

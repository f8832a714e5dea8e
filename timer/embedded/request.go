package embedded

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"user-manager/validation"
)

// A timerRequest is the body of POST /schedule.
type timerRequest struct {
	Payload              json.RawMessage `json:"payload"` // an object; nil: none was given
	StartDate            string          `json:"startDate" validate:"required"`
	ExpirationIntervalMs *float64        `json:"expirationIntervalMs" validate:"required"`
	ApplicantService     string          `json:"applicantService" validate:"required"`
	OutputMode           *outputMode     `json:"outputMode" validate:"required"`
}

// An abortRequest is the body of POST /abort.
type abortRequest struct {
	ExpirationID string `json:"expirationId" validate:"required"`
}

// decodeTimer reads and checks the body of POST /schedule.
func decodeTimer(r *http.Request) (*timerRequest, error) {
	body, err := readJSON(r)
	if err != nil {
		return nil, err
	}
	var kind struct{ OutputMode struct{ Type string } }
	if json.Unmarshal(body, &kind) == nil && kind.OutputMode.Type == "kafka" {
		return nil, badRequest("outputMode.type: kafka is not supported by the embedded Timer Service")
	}
	t, err := decodeBody[timerRequest](body)
	if err != nil {
		return nil, err
	}
	if t.Payload != nil && t.Payload[0] != '{' {
		return nil, badRequest("payload: must be an object")
	}
	return &t, t.OutputMode.check()
}

// check reports what the tags of an outputMode do not say.
func (o *outputMode) check() error {
	switch {
	case o.Port != nil && (*o.Port < 1 || *o.Port > 65535):
		return badRequest("outputMode.port: must be a number from 1 to 65535")
	case !strings.HasPrefix(o.Path, "/"):
		return badRequest("outputMode.path: must begin with a slash")
	case strings.ContainsAny(o.Hostname, "/?#@ "):
		return badRequest("outputMode.hostname: must be a host, without a scheme")
	}
	if _, err := o.url(); err != nil {
		return badRequest("outputMode: %v", err)
	}
	for name, value := range o.Headers {
		if !isToken(name) || !isFieldValue(value) {
			return badRequest("outputMode.headers: there is one that cannot be sent")
		}
	}
	return nil
}

// isToken reports whether text may be the name of a header.
func isToken(text string) bool {
	const others = "!#$%&'*+-.^_`|~"
	for _, c := range text {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune(others, c) {
			return false
		}
	}
	return text != ""
}

// isFieldValue reports whether text may be the value of a header.
func isFieldValue(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}

// decode reads the JSON body into a T and checks it.
func decode[T any](r *http.Request) (T, error) {
	body, err := readJSON(r)
	if err != nil {
		var none T
		return none, err
	}
	return decodeBody[T](body)
}

// decodeBody reads a JSON object into a T and checks it. A field that T does not have is
// refused.
func decodeBody[T any](body []byte) (T, error) {
	var to T
	if !bytes.HasPrefix(body, []byte("{")) {
		return to, badRequest("body: must be an object")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&to); err != nil {
		return to, bodyError(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return to, badRequest("body: something follows the JSON value")
	}
	if wrong := validation.Check(to); wrong != "" {
		return to, badRequest("%s", wrong)
	}
	return to, nil
}

func readJSON(r *http.Request) ([]byte, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, &refusal{http.StatusUnsupportedMediaType, "Unsupported Media Type: must be application/json"}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, bodyError(err)
	}
	if !utf8.Valid(body) {
		return nil, badRequest("body: is not UTF-8")
	}
	return bytes.TrimSpace(body), nil
}

// bodyError says what is wrong with a body, naming the field where there is one.
func bodyError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &refusal{http.StatusRequestEntityTooLarge, "Request body is too large"}
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return badRequest("%s", validation.WrongType(wrong))
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return badRequest("%s: is not a field of this request", strings.Trim(field, `"`))
	}
	return badRequest("body: is not valid JSON")
}

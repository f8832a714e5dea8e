package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding"

	"user-manager/crud/document"
	"user-manager/nesting"
	"user-manager/providers"
	"user-manager/secret"
	"user-manager/upstream"
	"user-manager/validation"
)

// handler answers a request, or returns why it cannot. Once it has written to w it
// returns nil.
type handler func(w http.ResponseWriter, r *http.Request) error

// A requestError is a request that cannot be understood. Its message is for the
// client.
type requestError struct {
	status  int
	message string
}

func (e *requestError) Error() string { return e.message }

// Status lets the embedded store, whose errors are its own, answer as is meant here.
func (e *requestError) Status() int { return e.status }

func badRequest(format string, args ...any) error {
	return &requestError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// failure is the body of every error.
type failure struct {
	StatusCode int    `json:"statusCode"`
	Error      string `json:"error"`
	Message    string `json:"message"`
}

// answer makes an http.Handler of h: it alone writes errors, and tells why for the log.
// A body larger than maxBody is refused.
func (a *api) answer(h handler, maxBody int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = boundedBody{http.MaxBytesReader(unwrapped(w), r.Body, maxBody), a.maxDepth}
		err := upstream.Protect(func() error {
			if err := plainBody(r); err != nil {
				return err
			}
			return h(w, r)
		})
		switch {
		case err == nil:
			return
		case errors.Is(err, http.ErrAbortHandler): // what came so far must not pass for all
			panic(http.ErrAbortHandler)
		}
		blameOn(w, err)
		status, message := a.classify(err)
		if wait := upstream.RetryAfter(err); wait > 0 && (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) {
			w.Header().Set("Retry-After", wholeSeconds(wait))
		}
		writeFailure(w, status, message)
	})
}

// plainBody refuses a body that is compressed: nothing is unpacked here, since few bytes can
// stand for very many.
func plainBody(r *http.Request) error {
	encoding := r.Header.Get("Content-Encoding")
	if encoding == "" || strings.EqualFold(encoding, "identity") || r.ContentLength == 0 {
		return nil
	}
	return &requestError{http.StatusUnsupportedMediaType, "Content-Encoding: bodies are taken as they are, not compressed"}
}

// A boundedBody is a body of limited size, and how deep it may be nested if it is JSON.
type boundedBody struct {
	io.ReadCloser
	levels int
}

// wholeSeconds is a duration as Retry-After has it, rounded up.
func wholeSeconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}

// unwrapped returns the writer of net/http, which closes the connection of a body
// that is too large.
func unwrapped(w http.ResponseWriter) http.ResponseWriter {
	for {
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = wrapper.Unwrap()
	}
}

// chain is the text of err and of what is behind an upstream's error, which its own
// text leaves out.
func chain(err error) string { return withCauses(err.Error(), err) }

// withCauses adds to text what is behind err and not in it yet.
func withCauses(text string, err error) string {
	var causes []error
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		causes = e.Unwrap()
	case interface{ Unwrap() error }:
		causes = []error{e.Unwrap()}
	}
	for _, cause := range causes {
		if cause == nil {
			continue
		}
		if words := cause.Error(); !strings.Contains(text, words) {
			text += ": " + words
		}
		text = withCauses(text, cause)
	}
	return text
}

// refusedSettings is what the provider says against the service's own settings. Its words
// about anything else may hold a user's data.
func refusedSettings(err error) string {
	failed, ok := errors.AsType[*upstream.Error](err)
	if !ok || !errors.Is(failed, providers.ErrMisconfigured) || failed.Message == "" {
		return ""
	}
	return ": " + failed.Message
}

// leaveBody has the connection of a request whose body nobody reads closed after the answer:
// net/http would wait for the body before it answers.
func leaveBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		w.Header().Set("Connection", "close")
	}
}

// turnAway answers with a failure, and tells the log the same: message has nothing of the
// request.
func turnAway(w http.ResponseWriter, status int, message string) {
	blameOn(w, errors.New(message))
	writeFailure(w, status, message)
}

func writeFailure(w http.ResponseWriter, status int, message string) {
	_ = encode(w, status, failure{status, http.StatusText(status), message}) // plain texts
}

// encode answers with v as JSON.
func encode(w http.ResponseWriter, status int, v any) error {
	var body bytes.Buffer // so that what cannot be encoded is still a clean 500
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(bytes.TrimSuffix(body.Bytes(), []byte("\n"))) // a client that is gone
	return nil
}

// decode reads the JSON body into a T and validates it. A field that T does not have
// is refused.
func decode[T any](r *http.Request) (T, error) {
	var to T
	if err := decodeJSON(r, &to, true); err != nil {
		return to, err
	}
	if list := reflect.ValueOf(to); list.Kind() == reflect.Slice && list.IsNil() {
		return to, badRequest("body: must be an array, not null")
	}
	return to, validateRequest(to)
}

// decodeObject reads a JSON object whose fields are free.
func decodeObject(r *http.Request) (document.Document, error) {
	var doc document.Document
	if err := decodeJSON(r, &doc, false); err != nil {
		return nil, err
	}
	if doc == nil {
		return nil, badRequest("body: must be an object, not null")
	}
	return doc, nil
}

// decodeForm reads a body that is JSON or a form into a T of strings and validates
// it. Fields that T does not have are passed over, since login forms have them.
func decodeForm[T any](r *http.Request) (T, error) {
	var to T
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media != "application/x-www-form-urlencoded" {
		if err := decodeJSON(r, &to, false); err != nil {
			return to, err
		}
		return to, validateRequest(to)
	}
	body, err := readText(r)
	if err != nil {
		return to, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return to, badRequest("body: is not a form: %v", err)
	}
	fields := map[string]string{}
	for name := range form {
		if fields[name] = form.Get(name); !utf8.ValidString(fields[name]) {
			return to, badRequest("%s: is not UTF-8", strings.ToValidUTF8(name, "?"))
		}
	}
	encoded, err := json.Marshal(fields)
	if err != nil {
		return to, badRequest("body: is not a form: %v", err)
	}
	if err := json.Unmarshal(encoded, &to); err != nil {
		return to, bodyError(err)
	}
	return to, validateRequest(to)
}

// decodeJSON reads the one JSON value of the body.
func decodeJSON(r *http.Request, to any, strict bool) error {
	body, err := readJSON(r)
	if err != nil {
		return err
	}
	if strict {
		return decodeStrict(body, to)
	}
	return decodeValue(json.NewDecoder(bytes.NewReader(body)), to)
}

// decodeStrict reads a JSON value whose fields are all known.
func decodeStrict(body []byte, to any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	return decodeValue(decoder, to)
}

func decodeValue(decoder *json.Decoder, to any) error {
	if err := decoder.Decode(to); err != nil {
		return bodyError(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return badRequest("body: something follows the JSON value")
	}
	return nil
}

// readJSON reads a body that says it is JSON, without the white space around it.
func readJSON(r *http.Request) ([]byte, error) {
	if err := jsonMedia(r); err != nil {
		return nil, err
	}
	body, err := readText(r)
	if err != nil {
		return nil, err
	}
	if most := levelsOf(r); nesting.Exceeds(body, most) {
		return nil, tooDeep(most)
	}
	return bytes.TrimSpace(body), nil
}

// jsonMedia refuses a body that does not say it is JSON.
func jsonMedia(r *http.Request) error {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return &requestError{http.StatusUnsupportedMediaType, fmt.Sprintf("Content-Type: must be application/json, not %q", r.Header.Get("Content-Type"))}
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return &requestError{http.StatusUnsupportedMediaType, fmt.Sprintf("Content-Type: the charset of JSON is utf-8, not %q", charset)}
	}
	return nil
}

// levelsOf returns how deep the body of r may be nested.
func levelsOf(r *http.Request) int {
	if bounded, ok := r.Body.(boundedBody); ok {
		return bounded.levels
	}
	return math.MaxInt
}

func tooDeep(most int) error { return badRequest("body: is nested deeper than %d levels", most) }

// readText reads the body. One that is not UTF-8 is refused: the decoders would put
// other characters in the place of those that they do not know.
func readText(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, bodyError(err)
	}
	if !utf8.Valid(body) {
		return nil, notUTF8()
	}
	return body, nil
}

// bodyError says what is wrong with a body, naming the field where there is one.
func bodyError(err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &requestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("body: must not be larger than %d bytes", tooLarge.Limit)}
	}
	if busy, ok := errors.AsType[*requestError](err); ok {
		return busy
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return badRequest("%s", validation.WrongType(wrong))
	}
	if isUnknownField(err) {
		return badRequest("%s: is not a field of this request", strings.Trim(strings.TrimPrefix(err.Error(), unknownField), `"`))
	}
	if _, ok := errors.AsType[net.Error](err); ok { // whose text has both addresses
		return badRequest("body: did not arrive to its end")
	}
	switch {
	case errors.Is(err, encoding.ErrInvalidUTF8):
		return notUTF8()
	case errors.Is(err, io.EOF):
		return badRequest("body: must not be empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return badRequest("body: is not valid JSON: it ends too early")
	}
	return badRequest("body: is not valid JSON: %v", err)
}

func notUTF8() error { return badRequest("body: is not UTF-8") }

// unknownField begins the text of an error of encoding/json that has no type of its own.
const unknownField = "json: unknown field "

func isUnknownField(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), unknownField)
}

// A secretField is a string field whose value must not be seen.
type secretField struct{ secret.Text }

// UnmarshalJSON takes a JSON string.
func (f *secretField) UnmarshalJSON(data []byte) error {
	var value string
	if err := json.Unmarshal(data, &value); err != nil {
		return err
	}
	f.Text = secret.New(value)
	return nil
}

func init() {
	validation.RegisterText(func(field reflect.Value) any { return field.Interface().(secretField).Reveal() }, secretField{})
}

// validateRequest checks a decoded request by its tags.
func validateRequest(v any) error {
	if wrong := validation.Check(v); wrong != "" {
		return badRequest("%s", wrong)
	}
	return nil
}

// flagParam returns a boolean query parameter, or standard when it is not given.
func flagParam(r *http.Request, name string, standard bool) (bool, error) {
	switch value := r.URL.Query().Get(name); value {
	case "":
		return standard, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, badRequest("%s: must be true or false, not %q", name, value)
	}
}

package timertest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// schedule handles POST /schedule.
func (s *Service) schedule(w http.ResponseWriter, r *http.Request) {
	body, ok := readObject(w, r)
	if !ok {
		return
	}
	t, wrong := timerOf(body)
	if wrong != "" {
		refuse(w, http.StatusBadRequest, wrong)
		return
	}
	encode(w, http.StatusOK, map[string]string{"expirationId": s.add(t)})
}

// abort handles POST /abort. As the real one it does not look whether the timer is over.
func (s *Service) abort(w http.ResponseWriter, r *http.Request) {
	body, ok := readObject(w, r)
	if !ok {
		return
	}
	var id string
	if wrong := body.read("body", "expirationId", &id, "string"); wrong != "" {
		refuse(w, http.StatusBadRequest, wrong)
		return
	}
	if !s.change(id, func(t *Timer) { t.Status = Aborted }) && !s.cfg.UnknownAborted {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// timerOf reads the body of POST /schedule, or says what is wrong with it.
func timerOf(body object) (t Timer, wrong string) {
	var start string
	var interval float64
	var mode object
	t.Payload = json.RawMessage("{}")
	for _, problem := range []string{
		body.read("body", "startDate", &start, "string"),
		body.read("body", "expirationIntervalMs", &interval, "number"),
		body.read("body", "applicantService", &t.ApplicantService, "string"),
		body.read("body", "outputMode", &mode, "object"),
		body.optional("body", "payload", &object{}, "object"),
	} {
		if problem != "" {
			return t, problem
		}
	}
	at, err := time.Parse(time.RFC3339, start)
	if err != nil {
		return t, `body.startDate must match format "date-time"`
	}
	t.ExpirationDate = time.UnixMilli(at.UnixMilli() + int64(interval)).UTC()
	if payload, given := body["payload"]; given {
		t.Payload = payload
	}
	return t, t.Output.read(mode)
}

// read fills in o from an outputMode, or says what is wrong with it.
func (o *Output) read(mode object) (wrong string) {
	const at = "body.outputMode"
	if wrong := mode.read(at, "type", &o.Type, "string"); wrong != "" || o.Type == "kafka" {
		return wrong
	}
	for _, problem := range []string{
		mode.oneOf(at, "type", &o.Type, "rest"),
		mode.oneOf(at, "method", &o.Method, "post", "put", "patch", "get", "delete"),
		mode.oneOf(at, "protocol", &o.Protocol, "http", "https"),
		mode.read(at, "hostname", &o.Hostname, "string"),
		mode.optional(at, "port", &o.Port, "number"),
		mode.read(at, "path", &o.Path, "string"),
		mode.optional(at, "headers", &o.Headers, "object"),
	} {
		if problem != "" {
			return problem
		}
	}
	return ""
}

// An object is a JSON object whose fields are yet to be read.
type object map[string]json.RawMessage

// read reads a field that must be there, or says what is wrong with it.
func (o object) read(at, name string, to any, kind string) string {
	if _, given := o[name]; !given {
		return fmt.Sprintf("%s must have required property '%s'", at, name)
	}
	return o.optional(at, name, to, kind)
}

// optional reads a field if it is there.
func (o object) optional(at, name string, to any, kind string) string {
	value, given := o[name]
	if given && (string(value) == "null" || json.Unmarshal(value, to) != nil) {
		return fmt.Sprintf("%s.%s must be %s", at, name, kind)
	}
	return ""
}

// oneOf reads a field that has one of some texts.
func (o object) oneOf(at, name string, to *string, texts ...string) string {
	if wrong := o.read(at, name, to, "string"); wrong != "" {
		return wrong
	}
	for _, text := range texts {
		if *to == text {
			return ""
		}
	}
	return fmt.Sprintf("%s.%s must be equal to one of the allowed values", at, name)
}

// maxBody bounds the body of a request.
const maxBody = 1 << 20

// readObject reads the JSON object of a body, or answers what is wrong with it.
func readObject(w http.ResponseWriter, r *http.Request) (object, bool) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var body object
	switch {
	case err != nil:
		refuse(w, http.StatusRequestEntityTooLarge, "Request body is too large")
	case len(text) == 0:
		refuse(w, http.StatusBadRequest, "Body cannot be empty when content-type is set to 'application/json'")
	case !json.Valid(text):
		refuse(w, http.StatusBadRequest, "Unexpected token in JSON")
	case json.Unmarshal(text, &body) != nil || body == nil:
		refuse(w, http.StatusBadRequest, "body must be object")
	default:
		return body, true
	}
	return nil, false
}

func refuse(w http.ResponseWriter, status int, message string) {
	encode(w, status, map[string]any{"statusCode": status, "error": http.StatusText(status), "message": message})
}

func encode(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // to a caller that may be gone
}

func alive(w http.ResponseWriter, _ *http.Request) {
	encode(w, http.StatusOK, map[string]string{"name": "timer-service", "status": "OK", "version": "2.1.2"})
}

func noRoute(w http.ResponseWriter, r *http.Request) {
	refuse(w, http.StatusNotFound, "Route "+r.Method+":"+r.URL.Path+" not found")
}

package embedded

import (
	"net/http"
	"strings"

	"user-manager/crud/document"
)

// Codes of refusals, as the CRUD Service gives them.
const (
	codeValidation = "FST_ERR_VALIDATION"
	codeEmptyBody  = "FST_ERR_CTP_EMPTY_JSON_BODY"
	codeMediaType  = "FST_ERR_CTP_INVALID_MEDIA_TYPE"
)

// fault is a refusal with its answer.
type fault struct {
	status  int
	code    string
	message string
	problem problem // of a validation: the first thing that was wrong
}

// problem is one thing wrong with a value: path is where, as /age.
type problem struct{ path, text string }

func (p problem) String() string {
	return p.path + " " + p.text
}

func (f *fault) Error() string { return f.message }

// errNotFound is answered like every other 404.
var errNotFound = &fault{status: http.StatusNotFound, message: "not found"}

// refuse is a 400 with a message.
func refuse(message string) *fault {
	return &fault{status: http.StatusBadRequest, message: message}
}

// invalid is a value refused by validation.
func invalid(path, text string, more ...problem) *fault {
	first := problem{path, text}
	words := []string{first.String()}
	for _, p := range more {
		words = append(words, p.String())
	}
	return &fault{status: http.StatusBadRequest, code: codeValidation, message: strings.Join(words, ", "), problem: first}
}

// undefined is a key that the schema does not have.
func undefined(path, name string) *fault {
	text := `must NOT have additional properties. Property "` + name + `" is not defined in validation schema`
	return &fault{status: http.StatusBadRequest, message: path + " " + text, problem: problem{path, text}}
}

// body is the JSON of the answer.
func (f *fault) body() []byte {
	if f.status == http.StatusNotFound {
		return []byte(`{"error":"not found"}`)
	}
	answer := map[string]any{
		"statusCode": float64(f.status),
		"error":      http.StatusText(f.status),
		"message":    f.message,
	}
	if f.code != "" {
		answer["code"] = f.code
	}
	return document.AppendJSON(nil, answer)
}

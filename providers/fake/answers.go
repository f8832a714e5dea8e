package fake

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
)

// wantsHTML reports whether r comes from a browser rather than from a program.
func wantsHTML(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

func writeError(w http.ResponseWriter, status int, message string) {
	writeJSON(w, status, struct {
		StatusCode int    `json:"statusCode"`
		Error      string `json:"error"`
		Message    string `json:"message"`
	}{status, http.StatusText(status), message})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(err) // texts and instants can be encoded
	}
	write(w, status, "application/json; charset=utf-8", encoded)
}

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// pageData is what a page shows.
type pageData struct {
	Message     string
	Ticket      string // "" for no form
	Action      string // where the form goes
	MinPassword int
}

// Style returns the page's style sheet.
func (pageData) Style() template.CSS { return template.CSS(pageCSS) }

// pagePolicy allows a page its own style sheet and form, and nothing else.
var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(pageCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

func writePage(w http.ResponseWriter, status int, data pageData) {
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, data); err != nil {
		panic(err) // the template knows nothing but pageData
	}
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.Header().Set("Referrer-Policy", "no-referrer") // the address has the ticket
	write(w, status, "text/html; charset=utf-8", page.Bytes())
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(body) // a client that went away needs no answer
}

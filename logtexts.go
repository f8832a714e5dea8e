package main

import (
	"io"
	"log"
	"log/slog"
	"regexp"
	"strings"
	"unicode"
)

// printable returns text in at most so many bytes and without what moves a cursor, turns the
// direction of writing or ends a line, wherever it is looked at.
func printable(text string, most int) string {
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…" // without half a character
	}
	if isPlain(text) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\n' || r == '\t' { // JSON escapes these
			return r
		}
		return '�'
	}, text)
}

// isPlain reports whether text is of printable ASCII alone.
func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

var (
	emailForm      = regexp.MustCompile(`[^\s"'<>(){}\[\],;:=]+@[^\s"'<>(){}\[\],;:=]+`)
	connectionForm = regexp.MustCompile(`\S+->\S+`) // "read tcp 10.0.0.1:3000->203.0.113.9:52514: ..."
	peerForm       = regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b|\[[0-9a-fA-F:.]+(%\w+)?\](:\d+)?`)
	quotedForm     = regexp.MustCompile(`"(\\.|[^"\\])*"|` + "`[^`]*`")
)

// masked returns the text of an error without email addresses and without the two ends of a
// connection, of which one may be a client's. No error of ours has any: this is for the words
// of libraries and upstreams, should they.
func masked(text string) string {
	if strings.Contains(text, "@") {
		text = emailForm.ReplaceAllString(text, "[email]")
	}
	if strings.Contains(text, "->") {
		text = connectionForm.ReplaceAllString(text, "[connection]")
	}
	return text
}

// unquoted returns text without what it quotes, which may be what somebody sent: net/http
// quotes the first bytes of an answer that it does not understand.
func unquoted(text string) string { return quotedForm.ReplaceAllString(text, `"…"`) }

// serverLines takes the lines of net/http, which name clients' addresses and quote what they
// sent.
type serverLines struct {
	log      *slog.Logger
	clientIP bool // addresses may be in the log
}

// Write implements [io.Writer]: p is one line.
func (s serverLines) Write(p []byte) (int, error) {
	text := unquoted(masked(strings.TrimSpace(string(p))))
	if !s.clientIP {
		text = peerForm.ReplaceAllString(text, "[address]")
	}
	if strings.HasPrefix(text, "http: TLS handshake error ") { // clients' doing, as often as they like
		s.log.Debug(text)
	} else {
		s.log.Warn(text)
	}
	return len(p), nil
}

// takeStandardLog has what libraries log by themselves go where the rest does: net/http quotes
// an upstream's words there, for one.
func takeStandardLog(to io.Writer, lookup func(string) (string, bool)) {
	level := (&reader{lookup: lookup}).level("LOG_LEVEL") // a wrong one stops the start
	log.SetFlags(0)
	log.SetOutput(serverLines{newLog(to, level), false})
}

// newServerLog returns what net/http logs to; clientIP: addresses may be in the log.
func newServerLog(to *slog.Logger, clientIP bool) *log.Logger {
	return log.New(serverLines{to, clientIP}, "", 0)
}

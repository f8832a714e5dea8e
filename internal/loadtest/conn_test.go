package main

import (
	"net"
	"net/http"
	"testing"
	"time"
)

// say answers each connection with a text, whatever it is asked.
func say(t *testing.T, text string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() { // ends when the listener is closed
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 1024))
			c.Write([]byte(text))
			c.Close()
		}
	}()
	return ln.Addr().String()
}

func TestAnswersAreRead(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n"
	for name, c := range map[string]struct{ answer, body string }{
		"a length":        {head + "content-length: 5\r\n\r\nhello", "hello"},
		"chunks":          {head + "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", "hello"},
		"nothing":         {"HTTP/1.1 204 No Content\r\n\r\n", ""},
		"bare line feeds": {"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", "hi"},
	} {
		t.Run(name, func(t *testing.T) {
			conn := newConn(say(t, c.answer), time.Now().Add(time.Minute))
			defer conn.close()
			_, body, err := conn.do(t.Context(), request{method: http.MethodGet, path: "/"})
			if err != nil || string(body) != c.body {
				t.Errorf("body %q, error %v; want %q", body, err, c.body)
			}
		})
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n"
	for name, answer := range map[string]string{
		"nothing at all":      "",
		"another protocol":    "SSH-2.0-OpenSSH_9.2\r\n",
		"no number":           "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
		"no length":           head + "\r\nhello",
		"a negative length":   head + "Content-Length: -1\r\n\r\n",
		"an end too early":    head + "Content-Length: 50\r\n\r\nhello",
		"too large":           head + "Content-Length: 99999999999\r\n\r\n",
		"a chunk of no size":  head + "Transfer-Encoding: chunked\r\n\r\nz\r\n",
		"a chunk that is cut": head + "Transfer-Encoding: chunked\r\n\r\n9\r\nhel",
		"a chunk too long":    head + "Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn := newConn(say(t, answer), time.Now().Add(time.Minute))
			defer conn.close()
			if status, body, err := conn.do(t.Context(), request{method: http.MethodGet, path: "/"}); err == nil {
				t.Errorf("status %d, body %q; want an error", status, body)
			}
		})
	}
}

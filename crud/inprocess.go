package crud

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"user-manager/upstream"
)

// streamAfter is how much of an answer is held back before it is handed on in
// pieces: smaller ones arrive whole, with their length.
const streamAfter = 32 << 10

// InProcess returns a transport that calls h directly, without a network. The
// answer's body is streamed; whoever receives it must close it, which ends h's work
// and waits for it.
func InProcess(h http.Handler) http.RoundTripper { return inProcess{h} }

type inProcess struct{ handler http.Handler }

// RoundTrip implements [http.RoundTripper].
func (t inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	in := req.WithContext(ctx)
	in.RequestURI = req.URL.RequestURI()
	in.RemoteAddr = "in-process"
	in.Proto, in.ProtoMajor, in.ProtoMinor = "HTTP/1.1", 1, 1
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if in.Host == "" {
		in.Host = req.URL.Host
	}
	w := &answer{header: http.Header{}, started: make(chan struct{}), done: make(chan struct{}), cancel: cancel}
	go w.run(t.handler, in) // owned by the answer: RoundTrip or the body's Close waits for it
	<-w.started
	return w.response(req)
}

// An answer is what a handler writes to. Until it grows beyond streamAfter it is
// held in head; from then on it goes through a pipe.
type answer struct {
	header  http.Header
	status  int
	sent    http.Header // header as it was when the status was written
	head    bytes.Buffer
	piped   *io.PipeReader
	pipe    *io.PipeWriter
	rest    *bufio.Writer // in front of pipe; nil while head takes everything
	started chan struct{} // closed once response may be called
	done    chan struct{} // closed when the handler is over
	failed  error         // why there is no whole answer; read after started or done
	cancel  context.CancelFunc
}

// run calls h and finishes the answer, whatever h does.
func (a *answer) run(h http.Handler, r *http.Request) {
	defer close(a.done)
	defer a.finish()
	a.failed = upstream.Protect(func() error {
		h.ServeHTTP(a, r)
		return nil
	})
	if errors.Is(a.failed, http.ErrAbortHandler) {
		a.failed = io.ErrUnexpectedEOF // as a connection that closes shows it
	}
}

func (a *answer) finish() {
	if a.rest == nil {
		a.WriteHeader(http.StatusOK)
		close(a.started)
		return
	}
	if a.failed == nil {
		a.failed = a.rest.Flush()
	}
	a.pipe.CloseWithError(a.failed) // nil means io.EOF
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status, a.sent = status, a.header.Clone()
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.rest != nil {
		return a.rest.Write(p)
	}
	if a.head.Len()+len(p) <= streamAfter {
		return a.head.Write(p)
	}
	a.stream()
	return a.rest.Write(p)
}

// Flush hands on what was written so far.
func (a *answer) Flush() {
	a.WriteHeader(http.StatusOK)
	if a.rest == nil {
		a.stream()
	}
	a.rest.Flush() // its error is the next Write's too
}

// stream ends the time in which everything is held back.
func (a *answer) stream() {
	a.piped, a.pipe = io.Pipe()
	a.rest = bufio.NewWriterSize(a.pipe, streamAfter)
	close(a.started)
}

// response returns the answer as the client sees it.
func (a *answer) response(req *http.Request) (*http.Response, error) {
	res := &http.Response{
		Status:     strconv.Itoa(a.status) + " " + http.StatusText(a.status),
		StatusCode: a.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:  a.sent,
		Request: req,
	}
	if a.piped != nil {
		res.ContentLength = -1
		res.Body = &answerBody{Reader: io.MultiReader(&a.head, a.piped), answer: a}
		return res, nil
	}
	<-a.done
	a.cancel()
	if a.failed != nil {
		return nil, a.failed
	}
	if req.Method == http.MethodHead { // of the length only the handler can speak
		res.ContentLength = -1
		res.Body = http.NoBody
		return res, nil
	}
	res.ContentLength = int64(a.head.Len())
	if a.status != http.StatusNoContent && a.status != http.StatusNotModified && res.Header.Get("Content-Length") == "" {
		res.Header.Set("Content-Length", strconv.Itoa(a.head.Len()))
	}
	res.Body = io.NopCloser(&a.head)
	return res, nil
}

var errBodyClosed = errors.New("body was closed")

// answerBody is the body of a streamed answer.
type answerBody struct {
	io.Reader
	answer *answer
}

// Close ends the handler's work and waits for it.
func (b *answerBody) Close() error {
	b.answer.cancel()
	b.answer.piped.CloseWithError(errBodyClosed)
	<-b.answer.done
	return nil
}

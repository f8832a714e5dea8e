package crudtest

import (
	"bytes"
	"context"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"

	"user-manager/crud"
	"user-manager/upstream/faults"
)

// A Server is a store as a service meets it over the network: net/http on both sides
// of real connections, with latency, and with the faults of a plan on the store's side
// of them. Fill in the fields, then call [Server.Listen] or [Server.ListenInMemory].
//
// Of the faults a client sees what a network shows of them. A refusal is an answer. With
// [faults.Unreachable] the connection closes before the body is read; with
// [faults.DropAnswer] it closes after the work, with [faults.Late] before it. With
// [faults.Timeout] there is no answer until the client has gone. Calls are named as
// [Faulty] names them; every try of a client is a call.
//
// As with the CRUD Service, a write is done to its end also when the client has gone, and
// a header section with its URL has 16 KiB.
type Server struct {
	Store http.Handler
	Plan  *faults.Plan // nil: nothing goes wrong
	// Latency is how long a call waits before anything is done; nil: not at all.
	Latency func(call string) time.Duration

	// URL is where the store is once the server listens.
	URL string

	server   *http.Server
	listener net.Listener
	dial     func(context.Context) (net.Conn, error)
	life     context.Context // of calls: over when the server closes
	end      context.CancelFunc
	served   chan struct{} // closed when nobody is let in any more

	mu     sync.Mutex
	closed bool           // guarded by mu
	busy   sync.WaitGroup // calls under way; Add only with mu held, and closed false
}

// headerBytes is the most that net/http is told to read of a header section: it reads
// 4 KiB more.
const headerBytes = 12 << 10

// Listen serves on a free port of the loopback interface. The caller closes s.
func (s *Server) Listen() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := listener.Addr().String()
	s.serve(listener, "http://"+address, func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	})
	return nil
}

// ListenInMemory serves on connections in memory, to which [Server.Dial] leads: unlike
// a socket they let the clock of a testing/synctest bubble go on. The caller closes s.
func (s *Server) ListenInMemory() {
	pipes := newPipes()
	s.serve(pipes, "http://crud-service", pipes.dial)
}

func (s *Server) serve(listener net.Listener, url string, dial func(context.Context) (net.Conn, error)) {
	if s.Plan == nil {
		s.Plan = faults.NewPlan()
	}
	s.URL, s.listener, s.dial, s.served = url, listener, dial, make(chan struct{})
	s.life, s.end = context.WithCancel(context.Background())
	s.server = &http.Server{
		Handler:        http.HandlerFunc(s.answer),
		MaxHeaderBytes: headerBytes,
		BaseContext:    func(net.Listener) context.Context { return s.life },
		ErrorLog:       log.New(io.Discard, "", 0),
	}
	go func() { // Close waits for it
		defer close(s.served)
		_ = s.server.Serve(listener) // until Close
	}()
}

// Dial connects to s, whatever the address: it is for the DialContext of a client's
// transport.
func (s *Server) Dial(ctx context.Context, _, _ string) (net.Conn, error) { return s.dial(ctx) }

// Close closes all connections and waits for the calls under way. A second call does
// nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	err := s.server.Close()
	<-s.served
	s.busy.Wait()
	return err
}

// begin reports whether a call may begin.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.busy.Add(1)
	}
	return !s.closed
}

// answer plays what the plan has for a call, around the store's work.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		hangUp()
	}
	defer s.busy.Done()
	name := callName(r)
	injection := s.Plan.Next(name)
	if injection.Fault == faults.Unreachable {
		hangUp()
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		hangUp()
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if s.Latency != nil {
		pause(r.Context(), s.Latency(name))
	}
	s.play(injection, w, r)
}

func (s *Server) play(injection faults.Injection, w http.ResponseWriter, r *http.Request) {
	if status := injection.Fault.Status(); status != 0 {
		copyAnswer(w, s.faulty().Refusal(r, status))
		return
	}
	gone := r.Context()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		r = r.WithContext(context.WithoutCancel(gone))
	}
	if injection.Fault == faults.Late {
		s.faulty().DeliverLate(r)
	}
	if injection.Before(gone) != nil {
		hangUp()
	}
	if injection == (faults.Injection{}) {
		s.Store.ServeHTTP(&chunkedLists{ResponseWriter: w}, r)
		return
	}
	res, err := crud.InProcess(s.Store).RoundTrip(r)
	if injection.After(gone) != nil || err != nil {
		if res != nil {
			_, _ = io.Copy(io.Discard, res.Body) // to its end, so that the work is done
			res.Body.Close()
		}
		hangUp()
	}
	copyAnswer(w, res)
}

func (s *Server) faulty() *faults.Transport { return NewFaulty(crud.InProcess(s.Store), s.Plan) }

// hangUp closes the connection of a call without an answer.
func hangUp() { panic(http.ErrAbortHandler) }

// pause waits for d, or until the client has gone.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// copyAnswer answers w with res, and hangs up where res breaks off.
func copyAnswer(w http.ResponseWriter, res *http.Response) {
	defer res.Body.Close()
	maps.Copy(w.Header(), res.Header)
	w.WriteHeader(res.StatusCode)
	if _, err := io.Copy(w, res.Body); err != nil {
		hangUp()
	}
}

// chunkedLists has an answer without a length of its own sent in chunks, be it ever so
// short: so the CRUD Service sends lists.
type chunkedLists struct {
	http.ResponseWriter
	begun bool
}

// WriteHeader implements [http.ResponseWriter].
func (l *chunkedLists) WriteHeader(status int) {
	if h := l.Header(); !l.begun && status == http.StatusOK && h.Get("Content-Length") == "" {
		h.Set("Transfer-Encoding", "chunked")
	}
	l.begun = true
	l.ResponseWriter.WriteHeader(status)
}

// Write implements [io.Writer].
func (l *chunkedLists) Write(p []byte) (int, error) {
	if !l.begun {
		l.WriteHeader(http.StatusOK)
	}
	return l.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (l *chunkedLists) Unwrap() http.ResponseWriter { return l.ResponseWriter }

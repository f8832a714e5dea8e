package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/internal/logtest"
)

// served has s serve h until the end of the test, which waits for it.
func (s server) served(t *testing.T, h http.Handler) *pipeListener {
	t.Helper()
	ln := newPipeListener()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s.log = testLog(t)
	go func() { ended <- s.serve(ctx, ln, h) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return ln
}

// A peer is a client that does as it likes.
type peer struct {
	net.Conn
	answers *bufio.Reader
}

func connect(t *testing.T, ln *pipeListener) peer {
	t.Helper()
	c, err := ln.dial(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return peer{c, bufio.NewReader(c)}
}

// ask sends what it is told to and returns the first line and the body of the answer.
func (p peer) ask(request string) (string, error) {
	go io.WriteString(p, request) // the answer may come before the end of it
	return p.answer()
}

func (p peer) answer() (string, error) {
	res, err := http.ReadResponse(p.answers, nil)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.Status + " " + string(body), err
}

// boundedServer is a server with room for so many connections.
func boundedServer(most int) server {
	s := server{httpConfig: standardHTTP}
	s.maxConnections = most
	return s
}

const goodRequest = "GET / HTTP/1.1\r\nHost: service\r\n\r\n"

var welcome = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "welcome") })

// TestHalfOpenConnections opens thousands of connections that go no further: others are
// served at once, and only so many stay open.
func TestHalfOpenConnections(t *testing.T) {
	t.Parallel()
	const most, many = 20, 3000
	for what, sent := range map[string]string{
		"nothing":             "",
		"one byte":            "G",
		"half a header":       "GET / HTTP/1.1\r\nHost: serv",
		"a header and a half": goodRequest[:len(goodRequest)-2] + "X-Long: " + strings.Repeat("x", 10_000),
		"half a body":         "POST / HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
		"half a chunk":        "POST / HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{",
		"an answer, and idle": goodRequest,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBounds(standardConfig(t), nil)
				read := b.bounded(1<<20, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					io.Copy(io.Discard, r.Body)
					io.WriteString(w, "welcome")
				}))
				ln := boundedServer(most).served(t, read)
				var closed atomic.Int64
				for n := range many {
					c := connect(t, ln)
					go func() {
						io.WriteString(c, sent)
						io.Copy(io.Discard, c)
						closed.Add(1)
					}()
					if n%100 == 99 {
						start := time.Now()
						if got, err := connect(t, ln).ask(goodRequest); got != "200 OK welcome" || time.Since(start) != 0 {
							t.Fatalf("after %d: %q (%v) after %v", n+1, got, err, time.Since(start))
						}
					}
				}
				synctest.Wait()
				if got := many - closed.Load(); got > most {
					t.Errorf("%d connections are open, want at most %d", got, most)
				}
			})
		})
	}
}

// TestTheOneThatWaitsForLongestMakesRoom: new, idle, or with a header or body that still
// arrives, it is closed; those with a request are not.
func TestTheOneThatWaitsForLongestMakesRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		ln := boundedServer(3).served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" {
				<-release
			}
			io.WriteString(w, "welcome")
		}))
		long := connect(t, ln)
		go io.WriteString(long, strings.Replace(goodRequest, "/", "/long", 1))
		synctest.Wait()
		idle := connect(t, ln)
		idle.ask(goodRequest)
		time.Sleep(time.Second)
		young := connect(t, ln)
		connect(t, ln).ask(goodRequest)
		if _, err := idle.answer(); err == nil {
			t.Error("the idle connection is open")
		}
		if got, err := young.ask(goodRequest); got != "200 OK welcome" {
			t.Errorf("the young connection: %q, %v", got, err)
		}
		close(release)
		if got, err := long.answer(); got != "200 OK welcome" {
			t.Errorf("the connection with a request: %q, %v", got, err)
		}
	})
}

// TestAllConnectionsAreBusy: one more is closed, unless a client lets its answer wait.
func TestAllConnectionsAreBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		ln := boundedServer(2).served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/long" {
				<-release
			}
			fmt.Fprintf(w, "%0100000d", 1)
		}))
		for range 2 {
			go io.WriteString(connect(t, ln), strings.Replace(goodRequest, "/", "/long", 1))
		}
		synctest.Wait()
		start := time.Now()
		if got, err := connect(t, ln).ask(goodRequest); err == nil || time.Since(start) != roomTime {
			t.Errorf("one more than there may be is answered %q after %v", got, time.Since(start))
		}
		close(release)
		time.Sleep(2 * stuckTime) // nobody reads the answers
		if got, err := connect(t, ln).ask(goodRequest); !strings.HasPrefix(got, "200 OK 000") {
			t.Errorf("while others do not read: %.100q, %v", got, err)
		}
	})
}

// TestHeadersThatArriveTogether: all headers that are not complete together are bounded,
// however many connections there may be.
func TestHeadersThatArriveTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ln := boundedServer(1000).served(t, welcome)
		var closed atomic.Int64
		const size, many = 60 << 10, 400
		small := connect(t, ln)
		io.WriteString(small, goodRequest[:20])
		for range many {
			c := connect(t, ln)
			go func() {
				io.WriteString(c, goodRequest[:len(goodRequest)-2]+"X-Long: "+strings.Repeat("x", size))
				io.Copy(io.Discard, c)
				closed.Add(1)
			}()
			synctest.Wait()
		}
		if got := (many - closed.Load()) * size; got > maxArriving {
			t.Errorf("%d bytes of headers are held, want at most %d", got, maxArriving)
		}
		if got, err := small.ask(goodRequest[20:]); got != "200 OK welcome" {
			t.Errorf("a small header that arrives: %q, %v", got, err)
		}
	})
}

// TestClientsThatDoNotRead: an answer waits for its reader as long as for one piece, also
// one that is sent after the handler has returned; and as long as it likes when the reader
// takes piece after piece.
func TestClientsThatDoNotRead(t *testing.T) {
	t.Parallel()
	const size = 10 * writePiece
	answers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			w.Write(make([]byte, size))
			return
		}
		io.WriteString(w, "welcome")
	})
	for what, test := range map[string]struct {
		path string
		read func(peer)
		want time.Duration // after which the server has closed it
	}{
		"a small answer":                   {"/", func(peer) {}, standardHTTP.writeTimeout},
		"a large answer":                   {"/large", func(peer) {}, standardHTTP.writeTimeout},
		"some of a large answer":           {"/large", func(p peer) { io.CopyN(io.Discard, p, 2*writePiece) }, standardHTTP.writeTimeout},
		"a piece at a time, and then idle": {"/large", func(p peer) { readPieces(p, size, 25*time.Second) }, 10*25*time.Second + standardHTTP.idleTimeout},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				left := make(chan time.Duration, 1)
				start := time.Now()
				s := boundedServer(10)
				ln := newPipeListener()
				watched := &watchedListener{ln, func() { left <- time.Since(start) }}
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				s.log = testLog(t)
				ended := make(chan error, 1)
				go func() { ended <- s.serve(ctx, watched, answers) }()
				p := connect(t, ln)
				io.WriteString(p, strings.Replace(goodRequest, "/", test.path, 1))
				test.read(p)
				if got := <-left; got != test.want {
					t.Errorf("closed after %v, want %v", got, test.want)
				}
				stop()
				<-ended
			})
		})
	}
}

func readPieces(p peer, size int, pause time.Duration) {
	for range size / writePiece {
		time.Sleep(pause)
		io.CopyN(io.Discard, p, writePiece)
	}
	go io.Copy(io.Discard, p) // the header's share
}

// A watchedListener tells when a connection is closed.
type watchedListener struct {
	net.Listener
	closed func()
}

func (l *watchedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &watchedConn{Conn: c, closed: l.closed}, err
}

type watchedConn struct {
	net.Conn
	closed func()
	once   atomic.Bool
}

func (c *watchedConn) Close() error {
	if c.once.CompareAndSwap(false, true) {
		c.closed()
	}
	return c.Conn.Close()
}

// TestLongRequestsKeepTheirConnection: nothing of the limits on reading and writing ends a
// handler that takes its time, nor what it answers then.
func TestLongRequestsKeepTheirConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ln := boundedServer(2).served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(10 * time.Minute)
			body, err := io.ReadAll(r.Body) // of which the client has not been told to go on yet
			fmt.Fprintf(w, "%s %v ", body, err)
			http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Minute)
			fmt.Fprint(w, r.Context().Err())
		}))
		p := connect(t, ln)
		for range 2 {
			if got, err := p.ask("POST / HTTP/1.1\r\nHost: service\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"); got != "200 OK  <nil> <nil>" {
				t.Errorf("got %q, %v", got, err)
			}
		}
	})
}

// TestHalfOpenTLS: what has not ended its handshake is half open, too.
func TestHalfOpenTLS(t *testing.T) {
	t.Parallel()
	pair := httptest.NewUnstartedServer(nil)
	pair.StartTLS()
	defer pair.Close()
	certificate := pair.TLS.Certificates[0]
	synctest.Test(t, func(t *testing.T) {
		s := boundedServer(5)
		s.tls = &tls.Config{Certificates: []tls.Certificate{certificate}}
		ln := s.served(t, welcome)
		var closed atomic.Int64
		for range 100 {
			c := connect(t, ln)
			go func() {
				io.WriteString(c, "\x16\x03\x01")
				io.Copy(io.Discard, c)
				closed.Add(1)
			}()
		}
		transport := &http.Transport{DialContext: ln.dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Get("https://service/")
		if err != nil || res.StatusCode != http.StatusOK || res.ProtoMajor != 1 {
			t.Fatalf("%v, %v", res, err)
		}
		res.Body.Close()
		synctest.Wait()
		if got := 100 - closed.Load(); got > 4 {
			t.Errorf("%d handshakes are open", got)
		}
		start := time.Now()
		time.Sleep(standardHTTP.readHeaderTimeout)
		synctest.Wait()
		if got := 100 - closed.Load(); got != 0 {
			t.Errorf("%d handshakes are open after %v", got, time.Since(start))
		}
	})
}

// TestRequestsAreCutAtTheEnd: those that take longer than the end may are cut, which is
// logged and no error.
func TestRequestsAreCutAtTheEnd(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		request string
		takes   time.Duration
		want    string
		cut     bool
	}{
		"a request that ends in time":             {goodRequest, 15 * time.Second, "200 OK <nil>", false},
		"one that does not":                       {goodRequest, time.Hour, "", true},
		"one whose body has never been asked for": {"POST / HTTP/1.1\r\nHost: service\r\nContent-Length: 5\r\n\r\n", time.Hour, "", true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var text strings.Builder
				ctx, stop := context.WithCancel(t.Context())
				s, ln, ended := boundedServer(5), newPipeListener(), make(chan error, 1)
				s.log = slog.New(slog.NewTextHandler(io.MultiWriter(&text, logtest.For(t)), nil))
				over := make(chan error, 1)
				go func() {
					ended <- s.serve(ctx, ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						select {
						case <-r.Context().Done():
						case <-time.After(test.takes):
						}
						over <- context.Cause(r.Context())
						fmt.Fprint(w, context.Cause(r.Context()))
					}))
				}()
				p := connect(t, ln)
				io.WriteString(p, test.request)
				synctest.Wait()
				stop()
				start := time.Now()
				if got, _ := p.answer(); got != test.want {
					t.Errorf("answer %q, want %q", got, test.want)
				}
				if err := <-ended; err != nil {
					t.Errorf("serve: %v", err)
				}
				if cause := <-over; test.cut != (cause == errStopping) {
					t.Errorf("the request ended with %v", cause)
				}
				if cut := strings.Contains(text.String(), `msg="requests cut by the end of the service" requests=1`); cut != test.cut {
					t.Errorf("log: %s", text.String())
				}
				if took := time.Since(start); took > standardHTTP.shutdownTimeout+time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// TestRequestsThatIgnoreTheirEnd are not waited for for longer than they are given, and those
// that notice it no longer than they take.
func TestRequestsThatIgnoreTheirEnd(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		notices, waits time.Duration // after the end
		left           bool
	}{
		"it notices after a while": {time.Second, time.Second, false},
		"it ignores it":            {time.Hour, cutTime, true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var text strings.Builder
				ctx, stop := context.WithCancel(t.Context())
				s, ln, ended := boundedServer(5), newPipeListener(), make(chan error, 1)
				s.log = slog.New(slog.NewTextHandler(&text, nil))
				over := make(chan struct{})
				go func() {
					ended <- s.serve(ctx, ln, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						defer close(over)
						<-r.Context().Done()
						time.Sleep(test.notices)
					}))
				}()
				io.WriteString(connect(t, ln), goodRequest)
				synctest.Wait()
				stop()
				start := time.Now()
				if err := <-ended; err != nil || time.Since(start) != standardHTTP.shutdownTimeout+test.waits {
					t.Errorf("serve ended after %v: %v", time.Since(start), err)
				}
				if left := strings.Contains(text.String(), "requests still under way"); left != test.left {
					t.Errorf("log: %s", text.String())
				}
				<-over
			})
		})
	}
}

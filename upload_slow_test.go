package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/upstream/faults"
)

// A pipeListener is a listener in memory, whose connections know deadlines.
type pipeListener struct {
	connections chan net.Conn
	closed      chan struct{}
	close       sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{connections: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.connections:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.connections <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A slowServer is what serve serves, on connections in memory, with its own limits.
type slowServer struct {
	t        *testing.T
	listener *pipeListener
	client   *http.Client
	stop     func() // ends it, without waiting
}

// serveSlowly serves h until the end of the test.
func serveSlowly(t *testing.T, h http.Handler) *slowServer {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	return serveUntil(t, ctx, stop, h)
}

func serveUntil(t *testing.T, ctx context.Context, stop func(), h http.Handler) *slowServer {
	t.Helper()
	s := &slowServer{t: t, listener: newPipeListener(), stop: stop}
	transport := &http.Transport{DialContext: s.listener.dial, IdleConnTimeout: time.Hour, DisableCompression: true}
	s.client = &http.Client{Transport: transport}
	ended := make(chan error, 1)
	go func() {
		ended <- server{httpConfig: standardHTTP, log: testLog(t)}.serve(ctx, s.listener, h)
	}()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		<-ended
	})
	return s
}

// send makes a request and returns what was answered, "" when nothing was.
func (s *slowServer) send(method, path, contentType string, size int64, body io.Reader) string {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://service"+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	if body != nil {
		r.ContentLength = size
	}
	if closer, ok := body.(io.Closer); ok {
		defer closer.Close() // which the client does not do when it is answered before the end
	}
	res, err := s.client.Do(r)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d %s", res.StatusCode, text)
}

// A slowReader gives so many bytes at once, with a pause before each time. Closing it ends
// it.
type slowReader struct {
	text   string
	piece  int
	pause  time.Duration
	closed chan struct{}
	close  sync.Once
}

func slowly(text string, piece int, pause time.Duration) *slowReader {
	return &slowReader{text: text, piece: piece, pause: pause, closed: make(chan struct{})}
}

func (r *slowReader) Read(p []byte) (int, error) {
	select {
	case <-time.After(r.pause):
	case <-r.closed:
		return 0, net.ErrClosed
	}
	if r.text == "" {
		return 0, io.EOF
	}
	n := copy(p, r.text[:min(r.piece, len(r.text))])
	r.text = r.text[n:]
	return n, nil
}

func (r *slowReader) Close() error {
	r.close.Do(func() { close(r.closed) })
	return nil
}

// pensive answers minutes after it has read the body, and says what became of the
// request meanwhile.
var pensive = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		select {
		case <-time.After(10 * time.Minute):
		case <-r.Context().Done():
			err = context.Cause(r.Context())
		}
	}
	fmt.Fprintf(w, "%d bytes, %v", len(body), err)
})

// TestAnswersMayTakeTheirTime: the limits on reading do not end what is answered, with a
// body or without; and they hold again for what follows on the connection.
func TestAnswersMayTakeTheirTime(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		method  string
		size    int64
		body    io.Reader
		want    string
		streams bool
	}{
		"no body":                {method: "GET", want: "200 0 bytes, <nil>"},
		"an empty body":          {method: "POST", body: http.NoBody, want: "200 0 bytes, <nil>"},
		"a body":                 {method: "POST", size: 5, body: strings.NewReader("hello"), want: "200 5 bytes, <nil>"},
		"a body in chunks":       {method: "POST", size: -1, body: io.MultiReader(strings.NewReader("hello")), want: "200 5 bytes, <nil>"},
		"a body that comes late": {method: "POST", size: 5, body: slowly("hello", 1, 9*time.Second), want: "200 5 bytes, <nil>"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				body := test.body
				if slow, ok := body.(*slowReader); ok {
					body = slowly(slow.text, slow.piece, slow.pause) // of this bubble
				}
				s := serveSlowly(t, pensive)
				if got := s.send(test.method, "/", "text/plain", test.size, body); got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		})
	}
}

// TestLimitsHoldAnewOnAConnection sends a request on a connection on which an upload was
// answered.
func TestLimitsHoldAnewOnAConnection(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		next  string // what follows the upload
		after time.Duration
		want  string // the first line of the answer to it; "": there is none
	}{
		"nothing":                {after: standardHTTP.idleTimeout},
		"half a header":          {next: "POST / HTT", after: standardHTTP.readHeaderTimeout, want: "HTTP/1.1 400 Bad Request"},
		"a body that never ends": {next: "POST /users HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{", after: standardHTTP.readTimeout, want: "HTTP/1.1 400 Bad Request"},
	} {
		for how, order := range slowOrders {
			t.Run(what+", "+how, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := serveSlowly(t, newHarness(t, nil).api.handler())
					c, err := s.listener.dial(t.Context(), "", "")
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					sent := multipartBody(t, order, contactsFile(3))
					fmt.Fprintf(c, "PATCH /users/import HTTP/1.1\r\nHost: service\r\n%s\r\nContent-Length: %d\r\n\r\n%s", multipartType, len(sent), sent)
					answers := bufio.NewReader(c)
					res, err := http.ReadResponse(answers, nil)
					if err != nil || res.StatusCode != 200 {
						t.Fatalf("upload: %v, %v", res, err)
					}
					io.Copy(io.Discard, res.Body)
					start := time.Now()
					io.WriteString(c, test.next)
					line, err := answers.ReadString('\r')
					if got := time.Since(start); got != test.after {
						t.Errorf("it ended after %v, want %v", got, test.after)
					}
					if got := strings.TrimSuffix(line, "\r"); got != test.want {
						t.Errorf("answer %q (%v), want %q", got, err, test.want)
					}
				})
			})
		}
	}
}

// slowOrders are orders of the parts of an upload: one that is spooled and one that is
// read while it arrives.
var slowOrders = map[string][]string{
	"spooled":               {"file", "delimiter=;"},
	"read while it arrives": {"delimiter=;", "escape=null", "encoding=utf8", "file"},
}

// contactsFile is a file of so many new users.
func contactsFile(n int) []byte {
	return []byte("userGroup;name\n" + strings.Repeat("contacts;Ann\n", n))
}

const multipartMedia = "multipart/form-data; boundary=" + boundary

// TestImportThatTakesLong: how long a file may take to arrive says nothing of how long its
// rows may take.
func TestImportThatTakesLong(t *testing.T) {
	t.Parallel()
	for what, order := range slowOrders {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, map[string]string{"USER_IMPORT_BATCH_SIZE": "1"})
				s := serveSlowly(t, h.api.handler())
				h.plan.Reset()
				for n := range 40 {
					h.plan.ArmDelay(n+1, 9*time.Second)
				}
				sent := multipartBody(t, order, contactsFile(20))
				got := s.send("PATCH", "/users/import", multipartMedia, int64(len(sent)), strings.NewReader(sent))
				if users := len(h.all("/users")); users != 20 || !strings.HasPrefix(got, "200 ") {
					t.Errorf("%d users after %.300s", users, got)
				}
			})
		})
	}
}

// TestSlowUploads: an upload may be slow, but neither stand still nor trickle.
func TestSlowUploads(t *testing.T) {
	t.Parallel()
	tooSlow := "408 " + bad(408, "body: must not stand still for 30s, nor come slower than 1024 bytes a second")
	for what, test := range map[string]struct {
		users, piece int
		pause        time.Duration
		want         string // how the answer begins
		within       time.Duration
	}{
		"2 KiB a second":          {users: 20_000, piece: 2 << 10, pause: time.Second, want: "200 ", within: time.Hour},
		"30 KiB in 29 seconds":    {users: 20_000, piece: 30 << 10, pause: 29 * time.Second, want: "200 ", within: time.Hour},
		"one byte in 29 seconds":  {users: 100, piece: 1, pause: 29 * time.Second, want: tooSlow, within: uploadPause + time.Second},
		"one byte in a second":    {users: 100, piece: 1, pause: time.Second, want: tooSlow, within: uploadPause + time.Second},
		"500 bytes in a second":   {users: 20_000, piece: 500, pause: time.Second, want: tooSlow, within: 2 * uploadPause},
		"a pause of half an hour": {users: 20_000, piece: 64 << 10, pause: 30 * time.Minute, want: tooSlow, within: uploadPause},
	} {
		for how, order := range slowOrders {
			t.Run(what+", "+how, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := newHarness(t, map[string]string{"USER_IMPORT_BATCH_SIZE": "1000"})
					s := serveSlowly(t, h.api.handler())
					sent := multipartBody(t, order, contactsFile(test.users))
					start, want := time.Now(), test.want
					got := s.send("PATCH", "/users/import?dryRun=true", multipartMedia, int64(len(sent)), slowly(sent, test.piece, test.pause))
					if how != "spooled" {
						got = strings.Replace(got, "; before that 0 users were inserted and 0 updated, and 0 rows were invalid, up to row 1", "", 1)
						want = strings.TrimSuffix(want, `"}`) // rows were read
					}
					if took := time.Since(start); took > test.within || !strings.HasPrefix(got, want) {
						t.Errorf("after %v %.300s\nwant within %v %s", took, got, test.within, want)
					}
				})
			})
		}
	}
}

// TestFailureWhileAnUploadStandsStill: the answer does not wait for more of the file.
func TestFailureWhileAnUploadStandsStill(t *testing.T) {
	t.Parallel()
	const pause = 25 * time.Second
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, map[string]string{"USER_IMPORT_BATCH_SIZE": "5000"})
		s := serveSlowly(t, h.api.handler())
		sent := multipartBody(t, slowOrders["read while it arrives"], contactsFile(20_000))
		h.plan.Reset()
		h.plan.ArmFrom(2, faults.Refuse500)
		start := time.Now()
		got := s.send("PATCH", "/users/import", multipartMedia, int64(len(sent)), slowly(sent, 32<<10, pause))
		if !strings.HasPrefix(got, "500 ") || !strings.Contains(got, "CRUD ") || strings.Contains(got, "body: ") {
			t.Errorf("%.300s, want the store's failure", got)
		}
		if took := time.Since(start); took%pause < time.Second || took > 5*pause {
			t.Errorf("it took %v, as long as more of the file to come", took)
		}
	})
}

// TestImportAtTheEndOfTheService: an import stops between two batches and says how far it
// came.
func TestImportAtTheEndOfTheService(t *testing.T) {
	t.Parallel()
	for what, order := range slowOrders {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, map[string]string{"USER_IMPORT_BATCH_SIZE": "1"})
				ctx, stop := context.WithCancel(t.Context())
				h.api.stopping = ctx.Done()
				s := serveUntil(t, ctx, stop, h.api.handler())
				h.plan.Reset()
				for n := range 100 {
					h.plan.ArmDelay(n+1, 3*time.Second)
				}
				sent := multipartBody(t, order, contactsFile(50))
				ended := make(chan string, 1)
				go func() {
					ended <- s.send("PATCH", "/users/import", multipartMedia, int64(len(sent)), strings.NewReader(sent))
				}()
				time.Sleep(20 * time.Second)
				stop()
				checkStopped(t, h, <-ended)
			})
		})
	}
}

// TestUploadAtTheEndOfTheService: an upload that still arrives is given up at once.
func TestUploadAtTheEndOfTheService(t *testing.T) {
	t.Parallel()
	for what, order := range slowOrders {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, nil)
				ctx, stop := context.WithCancel(t.Context())
				h.api.stopping = ctx.Done()
				s := serveUntil(t, ctx, stop, h.api.handler())
				sent := multipartBody(t, order, contactsFile(10_000))
				ended := make(chan string, 1)
				go func() {
					ended <- s.send("PATCH", "/users/import", multipartMedia, int64(len(sent)), slowly(sent, 32<<10, 25*time.Second))
				}()
				time.Sleep(40 * time.Second)
				stopped := time.Now()
				stop()
				checkStopped(t, h, <-ended)
				if took := time.Since(stopped); took > standardHTTP.shutdownTimeout/2 {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// checkStopped checks the answer of an import that the end of the service ended, which
// says what was done if anything was begun.
func checkStopped(t *testing.T, h *harness, got string) {
	t.Helper()
	users := len(h.all("/users"))
	none, some := bad(503, "the service is stopping"), fmt.Sprintf("the service is stopping; before that %d users were inserted and 0 updated", users)
	if got != "503 "+none && !strings.Contains(got, some) || got == "503 "+none && users > 0 {
		t.Errorf("%d users after %.300s", users, got)
	}
}

// TestClientThatGoesAway: nobody hears it, but the log has how far an import came.
func TestClientThatGoesAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, map[string]string{"USER_IMPORT_BATCH_SIZE": "1"})
		h.plan.Reset()
		for n := range 100 {
			h.plan.ArmDelay(n+1, time.Second)
		}
		ctx, leave := context.WithTimeout(t.Context(), 10500*time.Millisecond)
		defer leave()
		body := multipartBody(t, slowOrders["spooled"], contactsFile(50))
		got := h.callContext(ctx, "PATCH", "/users/import", body, multipartType)
		want := fmt.Sprintf("before that %d users were inserted", len(h.all("/users")))
		if got.status != 500 || !strings.Contains(got.body, want) {
			t.Errorf("%d %s, want 500, %q", got.status, got.body, want)
		}
	})
}

// standardHTTP is what bounds clients when nothing is set.
var standardHTTP = (&reader{lookup: environment(nil)}).http()

package timer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/internal/logtest"
	"user-manager/secret"
	"user-manager/timer"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// A recorder is a Timer Service that answers everything alike, and keeps what it was sent.
type recorder struct {
	status int // 0: 200
	header http.Header
	body   string
	err    error // instead of an answer
	sent   []sent
}

type sent struct {
	method, path string
	header       http.Header
	body         []byte
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	s := sent{method: req.Method, path: req.URL.EscapedPath(), header: req.Header}
	if req.Body != nil {
		s.body, _ = io.ReadAll(req.Body)
		req.Body.Close()
	}
	r.sent = append(r.sent, s)
	if r.err != nil {
		return nil, r.err
	}
	status := r.status
	if status == 0 {
		status = http.StatusOK
	}
	header := r.header
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(r.body)), Request: req}, nil
}

func TestNew(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*timer.Config)
		want   string // "": it is taken
	}{
		"as it should be":         {func(*timer.Config) {}, ""},
		"with paths":              {func(c *timer.Config) { c.URL, c.Callback = "https://a/timers/", "https://b/c/" }, ""},
		"an address of numbers":   {func(c *timer.Config) { c.Callback = "http://[::1]:80" }, ""},
		"no URL":                  {func(c *timer.Config) { c.URL = "" }, "address of the Timer Service: it is not an http or https URL"},
		"a name":                  {func(c *timer.Config) { c.URL = "timer-service" }, "address of the Timer Service: it is not an http or https URL"},
		"another scheme":          {func(c *timer.Config) { c.Callback = "kafka://x" }, "address for the calls of timers: it is not an http or https URL"},
		"no host":                 {func(c *timer.Config) { c.Callback = "http:///x" }, "address for the calls of timers: it has no host"},
		"no URL at all":           {func(c *timer.Config) { c.Callback = "http://a b:%zz" }, "address for the calls of timers: it is not a URL"},
		"a password":              {func(c *timer.Config) { c.URL = "http://ada:pass@x" }, "address of the Timer Service: it has user information"},
		"a query":                 {func(c *timer.Config) { c.Callback = "http://x?y" }, "address for the calls of timers: it has a query or a fragment"},
		"a port that is too high": {func(c *timer.Config) { c.Callback = "http://x:65536" }, "address for the calls of timers: its port is not one"},
		"a port that is missing":  {func(c *timer.Config) { c.Callback = "http://x:" }, "address for the calls of timers: its port is not one"},
		"no secret":               {func(c *timer.Config) { c.Secret = secret.Text{} }, "there is no secret to sign the calls of timers with"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(nil)
			test.change(&cfg)
			got := ""
			if _, err := timer.New(cfg); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("error %q, want %q", got, test.want)
			}
		})
	}
}

// TestSchedule: what goes over the line, to the letter.
func TestSchedule(t *testing.T) {
	headers := upstream.Caller{
		Header: http.Header{"Miauserid": {"ada"}, "Idempotency-Key": {"1"}},
		Timer:  http.Header{"X-Tenant": {"a", "b"}, "Cookie": {"sid=1", "x=2"}},
	}
	odd := upstream.Caller{Timer: http.Header{"X-Name": {"\xe9"}, "X-Snow": {"☃"}, "X-Tab": {"a\tb"}, "X-Long": {strings.Repeat("a", 4097)}}}
	output := `{"type":"rest","method":"post","protocol":"http","hostname":"user-manager","port":3000,"path":"/base%20path/-/expire/u%2F1"`
	for name, test := range map[string]struct {
		callback string
		caller   upstream.Caller
		ahead    time.Duration
		want     string
	}{
		"in an hour":       {"", upstream.Caller{}, time.Hour, `"expirationIntervalMs":3600000,"applicantService":"user-manager","outputMode":` + output + `}}`},
		"in the past":      {"", upstream.Caller{}, -time.Hour, `"expirationIntervalMs":0,"applicantService":"user-manager","outputMode":` + output + `}}`},
		"in 5000 years":    {"", upstream.Caller{}, 0, `"expirationIntervalMs":157784803200000,"applicantService":"user-manager","outputMode":` + output + `}}`},
		"with headers":     {"", headers, time.Second, `"expirationIntervalMs":1000,"applicantService":"user-manager","outputMode":` + output + `,"headers":{"Cookie":"sid=1; x=2","X-Tenant":"a, b"}}}`},
		"with odd headers": {"", odd, time.Second, `"expirationIntervalMs":1000,"applicantService":"user-manager","outputMode":` + output + `}}`},
		"without a port":   {"https://x.example/", upstream.Caller{}, time.Second, `"expirationIntervalMs":1000,"applicantService":"user-manager","outputMode":{"type":"rest","method":"post","protocol":"https","hostname":"x.example","path":"/-/expire/u%2F1"}}`},
		"to a bare number": {"http://[fe80::1]:80", upstream.Caller{}, time.Second, `"expirationIntervalMs":1000,"applicantService":"user-manager","outputMode":{"type":"rest","method":"post","protocol":"http","hostname":"[fe80::1]","port":80,"path":"/-/expire/u%2F1"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				due := time.Now().Add(test.ahead)
				if test.ahead == 0 {
					due = due.AddDate(5000, 0, 0)
				}
				service := &recorder{status: 201, body: `{"expirationId":"t1"}`}
				cfg := config(service)
				if test.callback != "" {
					cfg.Callback = test.callback
				}
				id, err := newClient(t, cfg).Schedule(upstream.WithCaller(t.Context(), test.caller), "u/1", due)
				if err != nil || id != "t1" {
					t.Fatalf("timer %q, %v", id, err)
				}
				call := service.sent[0]
				if call.method != "POST" || call.path != "/schedule" || call.header.Get("Content-Type") != "application/json" {
					t.Errorf("%s %s of type %s", call.method, call.path, call.header.Get("Content-Type"))
				}
				if got := call.header.Get("Miauserid"); got != test.caller.Header.Get("Miauserid") {
					t.Errorf("header of the caller: %q", got)
				}
				if call.header.Get("Idempotency-Key") != "" || call.header.Get("X-Tenant") != "" {
					t.Errorf("headers: %v", call.header)
				}
				_, rest, _ := bytes.Cut(call.body, []byte(`"startDate":"2000-01-01T00:00:00.000Z",`))
				if diff := cmp.Diff(test.want, string(rest)+missing(rest)); diff != "" {
					t.Errorf("body (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func missing(rest []byte) string {
	if len(rest) == 0 {
		return "the body has another start"
	}
	return ""
}

// failure is what matters of an error of the client.
type failure struct {
	Route, Message  string
	Status          int
	Refused, Answer bool
	RetryAfter      time.Duration
	Text            string
}

func failureOf(t *testing.T, err error) failure {
	t.Helper()
	e, ok := errors.AsType[*upstream.Error](err)
	if !ok || e.Service != timer.Service {
		t.Fatalf("error %v, want one of the Timer Service", err)
	}
	return failure{e.Route, e.Message, e.Status, e.Refused(), errors.Is(err, upstream.ErrAnswer), e.RetryAfter, e.Error()}
}

func TestScheduleFails(t *testing.T) {
	const route = "POST /schedule"
	unusable := failure{Route: route, Answer: true, Text: "Timer POST /schedule gave an answer that cannot be used"}
	for name, test := range map[string]struct {
		service *recorder
		at      time.Time
		want    failure
	}{
		"no JSON":            {&recorder{body: "done"}, at, unusable},
		"no id":              {&recorder{body: "{}"}, at, unusable},
		"an empty id":        {&recorder{body: `{"expirationId":""}`}, at, unusable},
		"a number for an id": {&recorder{body: `{"expirationId":1}`}, at, unusable},
		"no body":            {&recorder{status: 204}, at, unusable},
		"an endless answer":  {&recorder{body: `{"expirationId":"` + strings.Repeat("1", 2<<20) + `"}`}, at, unusable},
		"a refusal":          {&recorder{status: 400, body: `{"statusCode":400,"error":"Bad Request","message":"no"}`}, at, failure{route, "no", 400, true, false, 0, "Timer POST /schedule responded with a 400 status code"}},
		"a plain refusal":    {&recorder{status: 404, body: `nothing here`}, at, failure{route, "", 404, true, false, 0, "Timer POST /schedule responded with a 404 status code"}},
		"too many":           {&recorder{status: 429, header: http.Header{"Retry-After": {"7"}}}, at, failure{route, "", 429, true, false, 7 * time.Second, "Timer POST /schedule responded with a 429 status code"}},
		"an error":           {&recorder{status: 500, body: `{"error":"Internal Server Error"}`}, at, failure{route, "Internal Server Error", 500, false, false, 0, "Timer POST /schedule responded with a 500 status code"}},
		"a redirect":         {&recorder{status: 302}, at, failure{route, "", 302, false, false, 0, "Timer POST /schedule responded with a 302 status code"}},
		"no answer":          {&recorder{err: errors.New("reset")}, at, failure{route, "", 0, false, false, 0, "Timer POST /schedule could not be reached"}},
		"nothing sent":       {&recorder{err: upstream.ErrNotSent}, at, failure{route, "", 0, true, false, 0, "Timer POST /schedule could not be reached"}},
		"a date of our own":  {&recorder{}, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), failure{route, "expirationDate: its year has more than four digits", 400, true, false, 0, "Timer POST /schedule responded with a 400 status code"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(t, config(test.service)).Schedule(t.Context(), "ada", test.at)
			if diff := cmp.Diff(test.want, failureOf(t, err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDoneContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	service := &recorder{}
	_, err := newClient(t, config(service)).Schedule(ctx, "ada", at)
	if !upstream.Unreached(err) || !errors.Is(err, context.Canceled) || len(service.sent) > 0 {
		t.Errorf("error %v after %d calls, want one that says that nothing was sent", err, len(service.sent))
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := faults.NewPlan()
		plan.Arm(1, faults.Timeout)
		start := time.Now()
		_, err := newClient(t, config(planned{plan, &recorder{}})).Schedule(t.Context(), "ada", at)
		if !errors.Is(err, context.DeadlineExceeded) || upstream.Refused(err) || time.Since(start) != 10*time.Second {
			t.Errorf("error %v after %v, want the end of its time after 10s", err, time.Since(start))
		}
	})
}

// planned hands calls on as a plan has it.
type planned struct {
	plan *faults.Plan
	next http.RoundTripper
}

func (p planned) RoundTrip(req *http.Request) (*http.Response, error) {
	injection := p.plan.Next(req.URL.Path)
	if status := injection.Fault.Status(); status != 0 {
		return (&recorder{status: status}).RoundTrip(req)
	}
	if err := injection.Before(req.Context()); err != nil {
		return nil, err
	}
	res, err := p.next.RoundTrip(req)
	if lost := injection.After(req.Context()); lost != nil {
		return nil, lost
	}
	return res, err
}

func TestAbort(t *testing.T) {
	for name, test := range map[string]struct {
		service *recorder
		want    int // status of the error; 0: none
	}{
		"done":          {&recorder{status: 204}, 0},
		"done, in JSON": {&recorder{body: "{}"}, 0},
		"unknown":       {&recorder{status: 404, body: `{"statusCode":404}`}, 0},
		"refused":       {&recorder{status: 400}, 400},
		"an error":      {&recorder{status: 500}, 500},
	} {
		t.Run(name, func(t *testing.T) {
			err := newClient(t, config(test.service)).Abort(t.Context(), "t1")
			if got := upstream.Status(err); got != test.want || (err == nil) != (test.want == 0) {
				t.Errorf("error %v, want status %d", err, test.want)
			}
			call := test.service.sent[0]
			if diff := cmp.Diff([]string{"POST", "/abort", `{"expirationId":"t1"}`}, []string{call.method, call.path, string(call.body)}); diff != "" {
				t.Errorf("call (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOverTheNetwork: calls without a clear outcome are made again, and raise no doubt.
func TestOverTheNetwork(t *testing.T) {
	calls := map[string]func(context.Context, *timer.Client) error{
		"schedule": func(ctx context.Context, c *timer.Client) error {
			_, err := c.Schedule(ctx, "ada", at)
			return err
		},
		"abort": func(ctx context.Context, c *timer.Client) error { return c.Abort(ctx, "t1") },
		"ping":  func(ctx context.Context, c *timer.Client) error { return c.Ping(ctx) },
	}
	for name, call := range calls {
		for _, fault := range []faults.Fault{faults.Refuse503, faults.Unreachable, faults.DropAnswer} {
			t.Run(name+", "+fault.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					plan, service := faults.NewPlan(), &recorder{body: `{"expirationId":"1"}`}
					plan.Arm(1, fault)
					cfg := config(nil)
					cfg.Transport = timer.Network(planned{plan, service}, 2, cfg.Timeout, logtest.Logger(t), upstream.Observer{})
					ctx, doubt := upstream.WithDoubt(t.Context())
					if err := call(ctx, newClient(t, cfg)); err != nil || doubt.Raised() || len(plan.Calls()) != 2 {
						t.Errorf("error %v, doubt %v, after %d calls; want none after 2", err, doubt.Raised(), len(plan.Calls()))
					}
				})
			})
		}
	}
}

// TestCallIsJSON: the payload is what a timer's call has as its body.
func TestCallIsJSON(t *testing.T) {
	call := scheduledCall(t, config(nil), "ada", at)
	text, err := json.Marshal(call)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"expirationDate":"2026-07-01T12:30:00.250Z","signature":"` + call.Signature + `"}`
	if diff := cmp.Diff(want, string(text)); diff != "" || !strings.HasPrefix(call.Signature, "v1,") {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

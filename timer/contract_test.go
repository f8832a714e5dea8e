package timer_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	store "user-manager/crud/embedded"
	"user-manager/internal/logtest"
	"user-manager/timer"
	"user-manager/timer/embedded"
	"user-manager/timer/timertest"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// A service is a Timer Service under test, and what it calls.
type service struct {
	http.Handler
	to *callee
	// pass lets d pass, in which the service makes the calls that are due.
	pass func(d time.Duration)
}

// A callee keeps the calls that it gets, and answers them with 204.
type callee struct {
	mu    sync.Mutex
	calls []string // guarded by mu
}

func (c *callee) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		body, _ = io.ReadAll(req.Body)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, req.Method+" "+req.URL.String()+" "+req.Header.Get("X-Tenant")+" "+string(body))
	return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody}, nil
}

// taken returns the calls so far.
func (c *callee) taken() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string{}, c.calls...)
}

// onBoth runs a test with either Timer Service, its clock a fake one.
func onBoth(t *testing.T, test func(t *testing.T, s service)) {
	t.Run("embedded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, embeddedService(t)) })
	})
	t.Run("stand-in", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			standIn, to := timertest.New(timertest.Config{}), &callee{}
			pass := func(d time.Duration) {
				time.Sleep(d)
				standIn.Fire(t.Context(), to, time.Now())
			}
			test(t, service{standIn, to, pass})
		})
	})
}

func embeddedService(t *testing.T) service {
	db, err := store.Open(t.Context(), store.Config{
		Path: ":memory:", Sync: "normal", Collections: []store.Definition{store.Timers("/timers")}, Log: logtest.Logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := crud.New("http://embedded", crud.InProcess(db), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	s := embedded.New(embedded.Config{Timers: client.Collection("/timers"), StoreIsOurs: true, Log: logtest.Logger(t)})
	ctx, stop := context.WithCancel(t.Context())
	to := &callee{}
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx, to) })
	t.Cleanup(func() {
		stop()
		running.Wait()
		db.Close()
	})
	return service{s, to, func(d time.Duration) {
		time.Sleep(d)
		synctest.Wait()
	}}
}

// TestContract: what a user of a Timer Service sees of it, whichever it is.
func TestContract(t *testing.T) {
	onBoth(t, func(t *testing.T, s service) {
		c := newClient(t, config(crud.InProcess(s)))
		ctx := upstream.WithCaller(t.Context(), upstream.Caller{Timer: http.Header{"X-Tenant": {"blue"}}})
		if err := c.Ping(ctx); err != nil {
			t.Errorf("ping: %v", err)
		}
		ids := map[string]string{}
		start := time.Now()
		for user, ahead := range map[string]time.Duration{"ada": time.Minute, "bob": time.Minute, "cy": time.Hour, "dan": -time.Hour} {
			id, err := c.Schedule(ctx, user, start.Add(ahead))
			if err != nil {
				t.Fatalf("schedule %s: %v", user, err)
			}
			ids[user] = id
		}
		s.pass(time.Second)
		wantCalls(t, s, c, start, map[string]time.Duration{"dan": -time.Hour})
		for _, id := range []string{ids["bob"], ids["bob"], ids["dan"], "386d43805909ab4917ffffff", "no id of a document"} {
			if err := c.Abort(ctx, id); err != nil {
				t.Errorf("abort %s: %v", id, err)
			}
		}
		s.pass(58 * time.Second)
		wantCalls(t, s, c, start, map[string]time.Duration{"dan": -time.Hour})
		s.pass(time.Second)
		wantCalls(t, s, c, start, map[string]time.Duration{"dan": -time.Hour, "ada": time.Minute})
		s.pass(2 * time.Hour)
		wantCalls(t, s, c, start, map[string]time.Duration{"dan": -time.Hour, "ada": time.Minute, "cy": time.Hour})
	})
}

// wantCalls compares the calls so far with those of users for dates after start.
func wantCalls(t *testing.T, s service, c *timer.Client, start time.Time, want map[string]time.Duration) {
	t.Helper()
	got := map[string]time.Duration{}
	for _, call := range s.to.taken() {
		target, rest, _ := strings.Cut(call, " blue ")
		user := strings.TrimPrefix(target, "POST http://user-manager:3000/base%20path/-/expire/")
		var body timer.Call
		if err := json.Unmarshal([]byte(rest), &body); err != nil {
			t.Fatalf("call %s: %v", call, err)
		}
		at, ok := c.Verify(user, body)
		if _, twice := got[user]; twice || !ok {
			t.Errorf("call %s: a second time, or not ours", call)
		}
		got[user] = at.Sub(start)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// TestBadRequests: the body of the error is that of the platform, and names the field.
func TestBadRequests(t *testing.T) {
	const mode = `"outputMode":{"type":"rest","method":"post","protocol":"http","hostname":"h","path":"/p"}`
	const rest = `"startDate":"2020-04-06T08:57:04.650Z","expirationIntervalMs":1,"applicantService":"x"`
	for name, test := range map[string]struct {
		path, body string
		status     int
		field      string // in the message
	}{
		"a timer":                    {"/schedule", `{` + rest + `,` + mode + `}`, 200, ""},
		"every field":                {"/schedule", `{"payload":{"a":{"b":[1,null]}},` + rest + `,"outputMode":{"type":"rest","method":"delete","protocol":"https","hostname":"h","port":3000,"path":"/","headers":{"a":"b"}}}`, 200, ""},
		"no startDate":               {"/schedule", `{"expirationIntervalMs":1,"applicantService":"x",` + mode + `}`, 400, "startDate"},
		"no date":                    {"/schedule", `{"startDate":"tomorrow","expirationIntervalMs":1,"applicantService":"x",` + mode + `}`, 400, "startDate"},
		"no interval":                {"/schedule", `{"startDate":"2020-04-06T08:57:04.650Z","applicantService":"x",` + mode + `}`, 400, "expirationIntervalMs"},
		"an interval that is a text": {"/schedule", `{"startDate":"2020-04-06T08:57:04.650Z","expirationIntervalMs":"x","applicantService":"x",` + mode + `}`, 400, "expirationIntervalMs"},
		"no applicant":               {"/schedule", `{"startDate":"2020-04-06T08:57:04.650Z","expirationIntervalMs":1,` + mode + `}`, 400, "applicantService"},
		"no output":                  {"/schedule", `{` + rest + `}`, 400, "outputMode"},
		"an output that is a text":   {"/schedule", `{` + rest + `,"outputMode":"x"}`, 400, "outputMode"},
		"no type":                    {"/schedule", `{` + rest + `,"outputMode":{"method":"post","protocol":"http","hostname":"h","path":"/p"}}`, 400, "type"},
		"another type":               {"/schedule", `{` + rest + `,"outputMode":{"type":"mail","method":"post","protocol":"http","hostname":"h","path":"/p"}}`, 400, "type"},
		"another method":             {"/schedule", `{` + rest + `,"outputMode":{"type":"rest","method":"POST","protocol":"http","hostname":"h","path":"/p"}}`, 400, "method"},
		"another protocol":           {"/schedule", `{` + rest + `,"outputMode":{"type":"rest","method":"post","protocol":"ftp","hostname":"h","path":"/p"}}`, 400, "protocol"},
		"no host":                    {"/schedule", `{` + rest + `,"outputMode":{"type":"rest","method":"post","protocol":"http","path":"/p"}}`, 400, "hostname"},
		"a port that is a text":      {"/schedule", `{` + rest + `,"outputMode":{"type":"rest","method":"post","protocol":"http","hostname":"h","port":"x","path":"/p"}}`, 400, "port"},
		"no path":                    {"/schedule", `{` + rest + `,"outputMode":{"type":"rest","method":"post","protocol":"http","hostname":"h"}}`, 400, "path"},
		"headers that are a list":    {"/schedule", `{` + rest + `,"outputMode":{"type":"rest","method":"post","protocol":"http","hostname":"h","path":"/p","headers":[1]}}`, 400, "headers"},
		"a payload that is a text":   {"/schedule", `{"payload":"x",` + rest + `,` + mode + `}`, 400, "payload"},
		"no JSON":                    {"/schedule", `{`, 400, ""},
		"no body":                    {"/schedule", ``, 400, "ody"},
		"no object":                  {"/schedule", `[]`, 400, "body"},
		"null":                       {"/schedule", `null`, 400, "body"},
		"a body that is too large":   {"/schedule", `{"payload":{"a":"` + strings.Repeat("a", 2<<20) + `"},` + rest + `,` + mode + `}`, 413, "large"},
		"no id":                      {"/abort", `{}`, 400, "expirationId"},
		"an id that is a number":     {"/abort", `{"expirationId":1}`, 400, "expirationId"},
		"an unknown id":              {"/abort", `{"expirationId":"386d43805909ab4917ffffff"}`, 404, ""},
		"an unknown route":           {"/-/expire", `{}`, 404, "Route POST:/-/expire not found"},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s service) {
				status, body := post(t, s, test.path, test.body)
				message, _ := body["message"].(string)
				if status != test.status || !strings.Contains(message, test.field) {
					t.Errorf("status %d, message %q; want %d and one with %q", status, message, test.status, test.field)
				}
				if status >= 400 && (body["statusCode"] != float64(status) || body["error"] != http.StatusText(status) || message == "") {
					t.Errorf("body %v is not that of an error %d", body, status)
				}
				if id, _ := body["expirationId"].(string); status == 200 && len(id) != 24 {
					t.Errorf("body %v has no id of a document", body)
				}
			})
		})
	}
}

// post sends a body and returns the status and the JSON object of the answer.
func post(t *testing.T, h http.Handler, path, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://timers"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := crud.InProcess(h).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("type of the answer: %q", got)
	}
	var answer map[string]any
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatalf("status %d: %v", res.StatusCode, err)
	}
	return res.StatusCode, answer
}

// TestLostAnswers: whatever happens to a call, the client's error says what is known, and
// another try is good.
func TestLostAnswers(t *testing.T) {
	for _, fault := range faults.All() {
		t.Run(fault.String(), func(t *testing.T) {
			onBoth(t, func(t *testing.T, s service) {
				plan := faults.NewPlan()
				c := newClient(t, config(timertest.NewFaulty(crud.InProcess(s), plan)))
				due := time.Now().Add(time.Hour)
				plan.Arm(1, fault)
				_, err := c.Schedule(t.Context(), "ada", due)
				if e := failureOf(t, err); e.Status != fault.Status() || e.Refused != (fault == faults.Refuse429) {
					t.Errorf("error %v, refused %v", err, e.Refused)
				}
				id, err := c.Schedule(t.Context(), "ada", due)
				if err != nil {
					t.Fatal(err)
				}
				plan.Arm(3, fault)
				if err := c.Abort(t.Context(), id); err == nil {
					t.Error("abort: no error")
				}
				if err := c.Abort(t.Context(), id); err != nil {
					t.Errorf("second abort: %v", err)
				}
				plan.Deliver()
				if diff := cmp.Diff([]string{"Timer POST /schedule", "Timer POST /schedule", "Timer POST /abort", "Timer POST /abort"}, plan.Calls()); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

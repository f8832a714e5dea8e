package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/jobs"
	"user-manager/secret"
	"user-manager/upstream/faults"
)

// A receiver takes callbacks, and answers as it is told.
type receiver struct {
	mu     sync.Mutex
	got    []callback // guarded by mu
	answer func(n int, r *http.Request) (int, error)
}

type callback struct {
	url, id, at, signature, contentType, body string
	start                                     time.Time
}

// RoundTrip implements [http.RoundTripper].
func (rc *receiver) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	rc.mu.Lock()
	rc.got = append(rc.got, callback{
		url: r.Method + " " + r.URL.String(), id: r.Header.Get("webhook-id"), at: r.Header.Get("webhook-timestamp"),
		signature: r.Header.Get("webhook-signature"), contentType: r.Header.Get("Content-Type"), body: string(body), start: time.Now(),
	})
	n := len(rc.got)
	rc.mu.Unlock()
	status, err := 204, error(nil)
	if rc.answer != nil {
		status, err = rc.answer(n, r)
	}
	if err != nil {
		return nil, err
	}
	header := http.Header{"Location": {"http://elsewhere.example.com/"}}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("thanks")), Request: r}, nil
}

// gaps returns the times between the callbacks, in seconds.
func (rc *receiver) gaps() []int {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	gaps := []int{}
	for i := 1; i < len(rc.got); i++ {
		gaps = append(gaps, int(rc.got[i].start.Sub(rc.got[i-1].start).Round(time.Second)/time.Second))
	}
	return gaps
}

func (rc *receiver) count() int {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return len(rc.got)
}

func summary(j jobs.Job) any {
	return map[string]any{"jobId": j.ID, "status": j.Status, "total": j.Total}
}

func (rc *receiver) webhook() *jobs.Webhook {
	return &jobs.Webhook{
		URL: "https://hooks.example.com/done", Secret: secret.New("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
		AllowedHosts: []string{"callbacks.example.com"}, Transport: rc, Body: summary, Timeout: 10 * time.Second,
	}
}

func TestCallback(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		rc := &receiver{}
		q := w.queue(jobs.Config{Kinds: []jobs.Kind{new(eachDone).kind("mail")}, Webhook: rc.webhook()})
		w.run(q)
		job := w.add(q, jobs.Request{Kind: "mail", IDs: numbered(3)})
		own := w.add(q, jobs.Request{Kind: "mail", IDs: numbered(3), CallbackURL: "https://callbacks.example.com/own?x=1"})
		w.await(q, job, time.Minute)
		w.await(q, own, time.Minute)
		time.Sleep(time.Hour)
		if len(rc.got) != 2 {
			t.Fatalf("%d callbacks, want 2", len(rc.got))
		}
		for _, got := range rc.got {
			want := map[string]string{job.ID: "POST https://hooks.example.com/done", own.ID: "POST https://callbacks.example.com/own?x=1"}[got.id]
			if got.url != want || got.contentType != "application/json" {
				t.Errorf("%s, %s, want %s", got.url, got.contentType, want)
			}
			body, err := json.Marshal(map[string]any{"jobId": got.id, "status": "completed", "total": 3})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(body), got.body); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if got.at != fmt.Sprint(got.start.Unix()) || !strings.HasPrefix(got.signature, "v1,") {
				t.Errorf("timestamp %s, signature %s", got.at, got.signature)
			}
		}
	})
}

func TestCallbacksAreTriedAgain(t *testing.T) {
	unreachable := errors.New("connection refused")
	for name, test := range map[string]struct {
		answer func(n int, r *http.Request) (int, error)
		gaps   []int
	}{
		"taken at once": {func(int, *http.Request) (int, error) { return 200, nil }, []int{}},
		"gone":          {func(int, *http.Request) (int, error) { return 410, nil }, []int{}},
		"fails thrice":  {func(n int, _ *http.Request) (int, error) { return answerFrom(n, 4), nil }, []int{5, 10, 20}},
		"unreachable twice": {func(n int, _ *http.Request) (int, error) {
			if n < 3 {
				return 0, unreachable
			}
			return 200, nil
		}, []int{5, 10}},
		"redirects once": {func(n int, _ *http.Request) (int, error) { return map[bool]int{true: 302, false: 200}[n == 1], nil }, []int{5}},
		"hangs once": {func(n int, r *http.Request) (int, error) {
			if n == 1 {
				<-r.Context().Done()
				return 0, context.Cause(r.Context())
			}
			return 200, nil
		}, []int{15}},
		"panics once": {func(n int, _ *http.Request) (int, error) {
			if n == 1 {
				panic("x")
			}
			return 200, nil
		}, []int{25}},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				rc := &receiver{answer: test.answer}
				q := w.queue(jobs.Config{Kinds: []jobs.Kind{new(eachDone).kind("mail")}, Webhook: rc.webhook()})
				w.run(q)
				w.await(q, w.add(q, jobs.Request{Kind: "mail", IDs: numbered(1)}), time.Minute)
				time.Sleep(time.Hour)
				gaps := rc.gaps()
				if len(gaps) != len(test.gaps) {
					t.Fatalf("seconds between the tries: %v, want %v", gaps, test.gaps)
				}
				for i, gap := range gaps {
					if gap < test.gaps[i] || gap > test.gaps[i]+5 { // looked for every 5s
						t.Errorf("seconds between the tries: %v, want %v", gaps, test.gaps)
					}
				}
				for _, got := range rc.got {
					if got.id != rc.got[0].id || got.body != rc.got[0].body {
						t.Errorf("another try is %+v, the first %+v", got, rc.got[0])
					}
				}
			})
		})
	}
}

func answerFrom(n, good int) int {
	if n < good {
		return 500
	}
	return 200
}

func TestCallbacksAreGivenUpAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		rc := &receiver{answer: func(int, *http.Request) (int, error) { return 500, nil }}
		q := w.queue(jobs.Config{Kinds: []jobs.Kind{new(eachDone).kind("mail")}, Webhook: rc.webhook(), Retention: 72 * time.Hour})
		w.run(q)
		w.await(q, w.add(q, jobs.Request{Kind: "mail", IDs: numbered(1)}), time.Minute)
		time.Sleep(25 * time.Hour)
		after := rc.count()
		time.Sleep(24 * time.Hour)
		if after < 24*6-10 || after > 24*6+20 || rc.count() != after {
			t.Errorf("%d tries in 25 hours, %d more in the next day", after, rc.count()-after)
		}
	})
}

// What is due survives a restart, and is delivered once by however many processes.
func TestCallbacksSurviveARestart(t *testing.T) {
	onStore(t, func(t *testing.T, w *world) {
		rc := &receiver{answer: func(n int, _ *http.Request) (int, error) { return answerFrom(n, 2), nil }}
		cfg := jobs.Config{Kinds: []jobs.Kind{new(eachDone).kind("mail")}, Webhook: rc.webhook()}
		q := w.queue(cfg)
		stop := w.run(q)
		w.await(q, w.add(q, jobs.Request{Kind: "mail", IDs: numbered(1)}), time.Minute)
		synctest.Wait()
		stop()
		if n := rc.count(); n != 1 {
			t.Fatalf("%d tries before the restart, want 1", n)
		}
		w.run(w.queue(cfg))
		w.run(w.queue(cfg))
		time.Sleep(time.Hour)
		if n := rc.count(); n != 2 {
			t.Errorf("%d tries, want 2", n)
		}
	})
}

func TestFaultsAtEveryCallOfACallback(t *testing.T) {
	run := func(t *testing.T, arm func(*faults.Plan)) int {
		w := newWorld(t, ":memory:")
		rc := &receiver{}
		q := w.queue(jobs.Config{Kinds: []jobs.Kind{new(eachDone).kind("mail")}, Webhook: rc.webhook()})
		job := w.add(q, jobs.Request{Kind: "mail", IDs: numbered(1)})
		w.plan.Reset()
		arm(w.plan)
		w.run(q)
		w.awaitEnd(q, job)
		calls := len(w.plan.Calls())
		time.Sleep(10 * time.Minute)
		if n := rc.count(); n == 0 || n > 2 {
			t.Errorf("%d callbacks", n)
		}
		return calls + 4
	}
	var calls int
	synctest.Test(t, func(t *testing.T) { calls = run(t, func(*faults.Plan) {}) })
	for n := range calls {
		for _, fault := range []faults.Fault{faults.Refuse500, faults.DropAnswer, faults.Late} {
			t.Run(fmt.Sprintf("%d %s", n+1, fault), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { run(t, func(p *faults.Plan) { p.Arm(n+1, fault) }) })
			})
		}
	}
}

func TestNoCallbacks(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		rc := &receiver{}
		webhook := rc.webhook()
		webhook.URL = ""
		q := w.queue(jobs.Config{Kinds: []jobs.Kind{new(eachDone).kind("mail")}, Webhook: webhook})
		w.run(q)
		w.await(q, w.add(q, jobs.Request{Kind: "mail"}), time.Minute)
		w.await(q, w.add(q, jobs.Request{Kind: "mail", CallbackURL: "https://evil.example.com/"}), time.Minute)
		time.Sleep(time.Hour)
		if n := rc.count(); n != 0 {
			t.Errorf("%d callbacks to where none is allowed", n)
		}
	})
}

// The vector is that of the specification's reference libraries.
func TestSignature(t *testing.T) {
	for name, test := range map[string]struct{ secret, want string }{
		"base64": {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
		"none":   {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := &jobs.Webhook{Secret: secret.New(test.secret)}
			got, err := w.Signature("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
			if got != test.want || err != nil {
				t.Errorf("signature %s, error %v, want %s", got, err, test.want)
			}
		})
	}
}

func TestSecretsThatCannotBeRead(t *testing.T) {
	for text, good := range map[string]bool{"": true, "some words": true, "whsec_c29tZQ==": true, "whsec_?": false} {
		if err := (&jobs.Webhook{Secret: secret.New(text)}).Check(); (err == nil) != good {
			t.Errorf("secret %q: %v", text, err)
		}
	}
}

func TestCheckURL(t *testing.T) {
	w := &jobs.Webhook{AllowedHosts: []string{"callbacks.example.com", "other.example.com:8443", "[::1]:80"}}
	for url, want := range map[string]string{
		"https://callbacks.example.com/jobs?x=1":    "",
		"http://callbacks.example.com":              "",
		"https://CALLBACKS.example.com:443/":        "",
		"https://other.example.com:8443/":           "",
		"http://[::1]/":                             "",
		"https://callbacks.example.com:8443/":       "the host of the callback URL is not allowed",
		"https://other.example.com/":                "the host of the callback URL is not allowed",
		"https://callbacks.example.com.evil.com/":   "the host of the callback URL is not allowed",
		"https://evil.com/callbacks.example.com":    "the host of the callback URL is not allowed",
		"https://evil.com#@callbacks.example.com/":  "the host of the callback URL is not allowed",
		"https://evil.com\\@callbacks.example.com/": "the callback URL is not a URL",
		"https://ann@callbacks.example.com/":        "the callback URL must not have user information",
		"https://callbacks.example.com:x/":          "the callback URL is not a URL",
		"ftp://callbacks.example.com/":              "the callback URL must be http or https",
		"//callbacks.example.com/":                  "the callback URL must be http or https",
		"callbacks.example.com/":                    "the callback URL must be http or https",
		"https:///":                                 "the host of the callback URL is not allowed",
		"https:callbacks.example.com":               "the host of the callback URL is not allowed",
		"":                                          "the callback URL must be http or https",
		"https://callbacks.example.com:0443/":       "the host of the callback URL is not allowed",
	} {
		got := ""
		if err := w.CheckURL(url); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %q, want %q", url, got, want)
		}
	}
}

package embedded_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
	"user-manager/timer/embedded"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// post sends a body and returns the status and the message of the answer.
func post(t *testing.T, h http.Handler, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://timers"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return answered(t, h, req)
}

func answered(t *testing.T, h http.Handler, req *http.Request) (int, string) {
	t.Helper()
	res, err := crud.InProcess(h).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Message, Status string }
	if res.StatusCode != http.StatusNoContent {
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
	}
	return res.StatusCode, answer.Status + answer.Message
}

// TestRefusals: what is refused beyond what every Timer Service refuses, and its words.
func TestRefusals(t *testing.T) {
	const rest = `"startDate":"2020-04-06T08:57:04.650Z","expirationIntervalMs":1,"applicantService":"x"`
	mode := func(change string) string {
		fields := map[string]string{"type": `"rest"`, "method": `"post"`, "protocol": `"http"`, "hostname": `"h"`, "path": `"/p"`}
		if name, value, ok := strings.Cut(change, "="); ok {
			fields[name] = value
		}
		var list []string
		for name, value := range fields {
			list = append(list, `"`+name+`":`+value)
		}
		return `"outputMode":{` + strings.Join(list, ",") + `}`
	}
	for name, test := range map[string]struct{ path, body, want string }{
		"kafka":                          {"/schedule", `{` + rest + `,"outputMode":{"type":"kafka","topics":["a"],"key":"b"}}`, "outputMode.type: kafka is not supported by the embedded Timer Service"},
		"another type":                   {"/schedule", `{` + rest + `,` + mode(`type="mail"`) + `}`, "outputMode.type: must be one of rest"},
		"several things":                 {"/schedule", `{` + mode(`method="x"`) + `}`, "startDate: is required; expirationIntervalMs: is required; applicantService: is required; outputMode.method: must be one of post, put, patch, get, delete"},
		"a field that there is not":      {"/schedule", `{` + rest + `,` + mode("") + `,"retries":1}`, "retries: is not a field of this request"},
		"a port of 0":                    {"/schedule", `{` + rest + `,` + mode(`port=0`) + `}`, "outputMode.port: must be a number from 1 to 65535"},
		"a port that is too high":        {"/schedule", `{` + rest + `,` + mode(`port=65536`) + `}`, "outputMode.port: must be a number from 1 to 65535"},
		"a path without a slash":         {"/schedule", `{` + rest + `,` + mode(`path="p"`) + `}`, "outputMode.path: must begin with a slash"},
		"a path with odd escapes":        {"/schedule", `{` + rest + `,` + mode(`path="/%zz"`) + `}`, "outputMode: protocol, hostname, port and path make no URL"},
		"a host with a scheme":           {"/schedule", `{` + rest + `,` + mode(`hostname="http://h"`) + `}`, "outputMode.hostname: must be a host, without a scheme"},
		"a host with a user":             {"/schedule", `{` + rest + `,` + mode(`hostname="a@h"`) + `}`, "outputMode.hostname: must be a host, without a scheme"},
		"a host with a port":             {"/schedule", `{` + rest + `,` + mode(`hostname="h:80"`) + `}`, "outputMode: protocol, hostname, port and path make no URL"},
		"a header that is a number":      {"/schedule", `{` + rest + `,` + mode(`headers={"a":1}`) + `}`, "outputMode.headers: must be a string, not number"},
		"a header of two lines":          {"/schedule", `{` + rest + `,` + mode(`headers={"a":"b\nc"}`) + `}`, "outputMode.headers: there is one that cannot be sent"},
		"a header with an odd name":      {"/schedule", `{` + rest + `,` + mode(`headers={"a b":"c"}`) + `}`, "outputMode.headers: there is one that cannot be sent"},
		"a payload that is null":         {"/schedule", `{"payload":null,` + rest + `,` + mode("") + `}`, "payload: must be an object"},
		"a date without a time":          {"/schedule", `{"startDate":"2020-04-06","expirationIntervalMs":1,"applicantService":"x",` + mode("") + `}`, "startDate: must be a date-time"},
		"beyond the last year":           {"/schedule", `{"startDate":"9999-12-31T23:59:59Z","expirationIntervalMs":1000,"applicantService":"x",` + mode("") + `}`, "expirationIntervalMs: the timer would be due beyond the year 9999"},
		"beyond all years":               {"/schedule", `{"startDate":"2020-04-06T08:57:04.650Z","expirationIntervalMs":1e300,"applicantService":"x",` + mode("") + `}`, "expirationIntervalMs: the timer would be due beyond the year 9999"},
		"something behind":               {"/schedule", `{` + rest + `,` + mode("") + `}{}`, "body: something follows the JSON value"},
		"not UTF-8":                      {"/abort", "{\"expirationId\":\"\xff\"}", "body: is not UTF-8"},
		"an abort with a further field":  {"/abort", `{"expirationId":"1","reason":"x"}`, "reason: is not a field of this request"},
		"an abort of an id that is none": {"/abort", `{"expirationId":"1"}`, "there is no timer with this expirationId"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, ":memory:")
			status, message := post(t, w.service(embedded.Config{}), test.path, test.body)
			if diff := cmp.Diff(test.want, message); diff != "" || status != 400 && !strings.HasPrefix(message, "there is no timer") {
				t.Errorf("status %d, message (-want +got):\n%s", status, diff)
			}
			if n := w.count(nil); n != 0 {
				t.Errorf("%d timers, want none", n)
			}
		})
	}
}

func TestMediaType(t *testing.T) {
	w := newWorld(t, ":memory:")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://timers/abort", strings.NewReader("<a/>"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/xml")
	if status, message := answered(t, w.service(embedded.Config{}), req); status != http.StatusUnsupportedMediaType {
		t.Errorf("status %d, %s", status, message)
	}
}

// TestDocument: a timer is kept with the fields of the contract, and due never early.
func TestDocument(t *testing.T) {
	w := newWorld(t, ":memory:")
	body := `{"payload":{"a":{"b.c":null}},"startDate":"2020-04-06T10:57:04.650000001+02:00","expirationIntervalMs":600000.5,"applicantService":"x",
		"outputMode":{"type":"rest","method":"post","protocol":"http","hostname":"h","port":3000,"path":"/p","headers":{"a":"b"}}}`
	if status, message := post(t, w.service(embedded.Config{}), "/schedule", body); status != 200 {
		t.Fatalf("status %d: %s", status, message)
	}
	docs, err := w.clean.List(t.Context(), crud.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, standard := range []string{"_id", "__STATE__", "createdAt", "creatorId", "updatedAt", "updaterId"} {
		delete(docs[0], standard)
	}
	want := []crud.Document{{
		"payload": crud.Document{"a": crud.Document{"b.c": nil}}, "startDate": "2020-04-06T08:57:04.650Z", "expirationIntervalMs": 600000.5,
		"applicantService": "x", "expirationDate": "2020-04-06T09:07:04.652Z", "failureCount": 0.0, "dueAt": 1586164024652.0,
		"expirationStatus": crud.Document{"id": 0.0, "description": "pending"},
		"outputMode": crud.Document{"type": "rest", "method": "post", "protocol": "http", "hostname": "h", "port": 3000.0, "path": "/p",
			"headers": crud.Document{"a": "b"}},
	}}
	if diff := cmp.Diff(want, docs); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
}

// TestStoreFails: what the store's faults look like to the client. A change that may have
// been made must not look refused, nor an abort that did nothing like one of no timer.
func TestStoreFails(t *testing.T) {
	for _, fault := range faults.All() {
		t.Run(fault.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				c := w.client(w.service(embedded.Config{}))
				id, err := c.Schedule(t.Context(), "ada", time.Now().Add(time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				w.plan.ArmFrom(2, fault)
				for name, call := range map[string]func() error{
					"schedule": func() error { _, err := c.Schedule(t.Context(), "ada", time.Now()); return err },
					"abort":    func() error { return c.Abort(t.Context(), id) },
					"ping":     func() error { return c.Ping(t.Context()) },
				} {
					err := call()
					if name == "ping" && upstream.Status(err) != 503 && fault != faults.Timeout || err == nil {
						t.Errorf("%s: error %v", name, err)
					}
					if name != "ping" && upstream.Refused(err) != (fault == faults.Refuse429) {
						t.Errorf("%s: error %v, refused: %v", name, err, upstream.Refused(err))
					}
				}
			})
		})
	}
}

// TestStoreWithoutCollection: a 404 of the store is not one of a timer.
func TestStoreWithoutCollection(t *testing.T) {
	w := newWorld(t, ":memory:")
	w.docs = w.collectionAt("/elsewhere")
	c := w.client(w.service(embedded.Config{}))
	if err := c.Abort(t.Context(), "386d43805909ab4917ffffff"); upstream.Status(err) != 500 {
		t.Errorf("abort: %v, want status 500", err)
	}
	if _, err := c.Schedule(t.Context(), "ada", time.Now()); upstream.Status(err) != 500 {
		t.Errorf("schedule: %v, want status 500", err)
	}
	if err := c.Ping(t.Context()); upstream.Status(err) != 503 {
		t.Errorf("ping: %v, want status 503", err)
	}
}

// TestStatusRoutes: one looks at the store, the other does not.
func TestStatusRoutes(t *testing.T) {
	w := newWorld(t, ":memory:")
	s := w.service(embedded.Config{})
	w.plan.ArmFrom(1, faults.Refuse500)
	for route, want := range map[string]int{"/-/healthz": 200, "/-/ready": 503, "/schedule": 404} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://timers"+route, nil)
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := answered(t, s, req); status != want {
			t.Errorf("GET %s: status %d, want %d", route, status, want)
		}
	}
}

// TestAbort: whatever the timer is, and more than once.
func TestAbort(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.service(embedded.Config{})
		c := w.client(s)
		w.run(s, &callee{})
		over, open := w.schedule(s, "over", time.Now()), w.schedule(s, "open", time.Now().Add(time.Hour))
		time.Sleep(time.Second)
		for _, id := range []string{over, open, open} {
			if err := c.Abort(t.Context(), id); err != nil {
				t.Errorf("abort: %v", err)
			}
		}
		for id, want := range map[string]stored{over: {Status: 1}, open: {Status: 2}} {
			if diff := cmp.Diff(want, w.stored(id)); diff != "" {
				t.Errorf("timer (-want +got):\n%s", diff)
			}
		}
	})
}

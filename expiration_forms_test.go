package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"user-manager/crud"
	"user-manager/crud/embedded"
	"user-manager/providers"
	"user-manager/providers/fake"
	"user-manager/secret"
	"user-manager/timer"
	"user-manager/timer/timertest"
	"user-manager/users"
)

// TestDatesOfOthers: where the collection of users has dates as texts, others may have written
// what they like. Whoever has a date is blocked then, and one that has none keeps nobody from
// that.
func TestDatesOfOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // in 2000
		log := testLog(t)
		collection := embedded.Users("/users")
		for i, field := range collection.Fields {
			if field.Name == "expirationDate" {
				collection.Fields[i].Type = "string"
			}
		}
		db, err := embedded.Open(t.Context(), embedded.Config{Path: ":memory:", Log: log, Collections: append(fake.Collections(), collection, embedded.Groups("/ums-config"))})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		client, err := crud.New("http://embedded", crud.InProcess(db), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		provider, err := providers.Open(t.Context(), "fake", providers.Settings{Getenv: func(string) string { return "" }, Log: log, Local: client})
		if err != nil {
			t.Fatal(err)
		}
		service := timertest.New(timertest.Config{})
		timers, err := timer.New(timer.Config{URL: "http://timer", Transport: crud.InProcess(service), Timeout: time.Second, Callback: "http://us", Secret: secret.New(testSecret)})
		if err != nil {
			t.Fatal(err)
		}
		s := users.New(users.Config{
			Users: client.Collection("/users"), Groups: client.Collection("/ums-config"), StoreIsOurs: true, Provider: provider,
			Timers: timers, ScheduleImported: true, Log: log, Timeout: time.Second,
		})
		ids := map[string]string{}
		for range crud.BulkLimit { // as many as are scheduled together
			if _, err := client.Collection("/users").Insert(t.Context(), crud.Document{"userGroup": "customers", "expirationDate": "never"}); err != nil {
				t.Fatal(err)
			}
		}
		for _, date := range []string{"2000-01-01T00:01:00.1234567Z", "2000-01-01T01:01:00+01:00", "1999-12-31"} {
			if ids[date], err = client.Collection("/users").Insert(t.Context(), crud.Document{"userGroup": "customers", "expirationDate": date}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		var work errgroup.Group
		work.Go(func() error { return s.Run(ctx) })
		<-time.After(2 * time.Minute)
		stop()
		if err := work.Wait(); err != nil {
			t.Error(err)
		}
		for date, id := range ids {
			at, err := time.Parse(time.RFC3339Nano, date)
			if err != nil {
				at = time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)
			}
			if err := s.Expire(t.Context(), id, at.Truncate(time.Millisecond).UTC()); err != nil {
				t.Errorf("%s: %v", date, err)
			}
			user, err := client.Collection("/users").Get(t.Context(), id, nil)
			if err != nil || user["blocked"] != true || user["expirationId"] == nil {
				t.Errorf("user %v, %v; want it blocked, with a timer", user, err)
			}
		}
	})
}

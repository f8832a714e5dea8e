package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"user-manager/crud"
	"user-manager/crud/embedded"
	"user-manager/providers"
	"user-manager/providers/fake"
)

// A lasting store outlives the processes that work on it: it is a file, or over
// connections a CRUD Service's stand-in in the process of the test.
type lasting struct {
	t       *testing.T
	env     []string        // of a process that works on it
	file    string          // "" over connections
	standIn *embedded.Store // nil for a file
}

// newLasting makes a store for the processes of a test.
func newLasting(t *testing.T) *lasting {
	t.Helper()
	if !*network {
		file := filepath.Join(t.TempDir(), "users.db")
		return &lasting{t: t, file: file, env: []string{"EMBEDDED_PATH=" + file}}
	}
	cfg, err := loadConfig(environment(map[string]string{"EMBEDDED_PATH": ":memory:"}))
	if err != nil {
		t.Fatal(err)
	}
	s := &lasting{t: t, standIn: openCollections(t, cfg)}
	seeded, err := newStore(cfg, "http://embedded", crud.InProcess(s.standIn))
	if err == nil {
		err = seeded.seed(t.Context(), cfg.store)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range remotely(serveStore(t, s.standIn, nil).URL, nil) {
		s.env = append(s.env, name+"="+value)
	}
	return s
}

// open opens the store, which no process works on, until the function it returns is
// called.
func (s *lasting) open() (*harness, func() error) {
	s.t.Helper()
	db, done := s.standIn, func() error { return nil }
	if s.standIn == nil {
		cfg, err := loadConfig(environment(map[string]string{"EMBEDDED_PATH": s.file}))
		if err != nil {
			s.t.Fatal(err)
		}
		if db, err = openStoreOf(s.t, cfg); err != nil {
			s.t.Fatal(err)
		}
		done = db.Close
	}
	client, err := crud.New("http://embedded", crud.InProcess(db), time.Minute)
	if err != nil {
		s.t.Fatal(err)
	}
	return &harness{t: s.t, client: client}, done
}

// age does to what a dead process has taken what time does: others may take it over at
// once. A file has one process, and what earlier ones have taken is free.
func (s *lasting) age() {
	s.t.Helper()
	if s.standIn == nil {
		return
	}
	h, _ := s.open()
	held := crud.Query{Filter: crud.Document{"kind": crud.Document{"$ne": "process"}}, States: crud.AllStates}
	_, err := h.client.Collection("/journal").PatchAll(s.t.Context(), held, crud.Document{"$set": crud.Document{"holder": ""}})
	if err != nil {
		s.t.Fatal(err)
	}
	leased := crud.Query{Filter: crud.Document{"leaseUntil": crud.Document{"$gt": 0}}, States: crud.AllStates}
	if _, err := h.client.Collection("/jobs").PatchAll(s.t.Context(), leased, crud.Document{"$set": crud.Document{"leaseUntil": 0}}); err != nil {
		s.t.Fatal(err)
	}
}

// notes are those of operations that the journal has.
func (h *harness) notes() []crud.Document {
	h.t.Helper()
	var notes []crud.Document
	for _, note := range h.all("/journal") {
		if note["kind"] != "process" {
			notes = append(notes, note)
		}
	}
	return notes
}

// asService is the variable by which the binary of the tests is the service itself: over
// connections its fake provider keeps its accounts in the test's store, so that they
// outlive it too.
const asService = "USER_MANAGER_TEST_AS_SERVICE"

// buildFolder is where the service is built for all tests.
var buildFolder string

func TestMain(m *testing.M) {
	if os.Getenv(asService) == "" {
		os.Exit(runTests(m))
	}
	providers.Register("fake-beside", providers.Driver{
		Check: func(getenv func(string) string) error { return providers.Check("fake", getenv) },
		Open: func(ctx context.Context, s providers.Settings) (_ providers.Provider, err error) {
			url := s.Getenv("CRUD_SERVICE")
			if s.Local, err = crud.New(url, crud.Network(nil, 256, time.Minute, s.Log, s.Observer), time.Minute); err != nil {
				return nil, fmt.Errorf("accounts at %s: %w", url, err)
			}
			return fake.Open(ctx, s)
		},
	})
	main()
}

func runTests(m *testing.M) int {
	var err error
	if buildFolder, err = os.MkdirTemp("", "user-manager"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(buildFolder)
	return m.Run()
}

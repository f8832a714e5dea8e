package main

import (
	"bytes"
	"encoding/json"
	"os"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBill reads what this test itself was built of.
func TestBill(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := run(self, "v1.2.3", out); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(first.String(), second.String()); diff != "" {
		t.Errorf("the same binary has two bills:\n%s", diff)
	}
	var got bill
	if err := json.Unmarshal(first.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(component{Ref: "pkg:golang/user-manager@v1.2.3", Type: "application", Name: "user-manager", Version: "v1.2.3", PURL: "pkg:golang/user-manager@v1.2.3"}, got.Metadata.Component); diff != "" {
		t.Errorf("the service (-want +got):\n%s", diff)
	}
	if len(got.Components) == 0 || got.Components[0].Name != "std" {
		t.Errorf("the standard library is missing: %v", got.Components)
	}
}

// TestModules has what the binary of a test does not say.
func TestModules(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Path: "user-manager"}, Deps: []*debug.Module{
		{Path: "example.com/a", Version: "v1.0.0+incompatible", Sum: "h1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
		{Path: "example.com/b", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/c", Version: "v2.0.0"}},
	}}
	got, err := billOf(info, "")
	if err != nil {
		t.Fatal(err)
	}
	want := []component{
		{Ref: "pkg:golang/std@1.26.8", Type: "library", Name: "std", Version: "1.26.8", PURL: "pkg:golang/std@1.26.8"},
		{
			Ref: "pkg:golang/example.com/a@v1.0.0%2Bincompatible", Type: "library", Name: "example.com/a", Version: "v1.0.0+incompatible", PURL: "pkg:golang/example.com/a@v1.0.0%2Bincompatible",
			Hashes: []hash{{"SHA-256", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"}},
		},
		{Ref: "pkg:golang/example.com/c@v2.0.0", Type: "library", Name: "example.com/c", Version: "v2.0.0", PURL: "pkg:golang/example.com/c@v2.0.0"},
	}
	if diff := cmp.Diff(want, got.Components); diff != "" {
		t.Errorf("components (-want +got):\n%s", diff)
	}
	if got := got.Metadata.Component.Version; got != "dev" {
		t.Errorf("the service has the version %q", got)
	}
	info.Deps[0].Sum = "h1:?"
	if _, err := billOf(info, ""); err == nil {
		t.Error("a checksum that is none has a bill")
	}
}

func TestNoBinary(t *testing.T) {
	t.Parallel()
	if err := run("main.go", "", &bytes.Buffer{}); err == nil {
		t.Error("a text has a bill")
	}
}

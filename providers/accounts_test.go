package providers

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReadEach: who is not there is left out; any other error is that of all.
func TestReadEach(t *testing.T) {
	broken := errors.New("broken")
	read := func(_ context.Context, id string) (Account, error) {
		switch id {
		case "gone":
			return Account{}, Refuse("GET /x", ErrNotFound, "")
		case "broken":
			return Account{}, broken
		case "panics":
			panic(id)
		}
		return Account{ID: id}, nil
	}
	got, err := ReadEach(t.Context(), []string{"a", "gone", "b"}, 0, read)
	if diff := cmp.Diff(map[string]Account{"a": {ID: "a"}, "b": {ID: "b"}}, got); err != nil || diff != "" {
		t.Errorf("%v; accounts (-want +got):\n%s", err, diff)
	}
	if got, err := ReadEach(t.Context(), []string{"a", "broken"}, 0, read); got != nil || !errors.Is(err, broken) {
		t.Errorf("%v, %v; want %v", got, err, broken)
	}
	if _, err := ReadEach(t.Context(), []string{"panics"}, 0, read); err == nil {
		t.Error("a panic is no error")
	}
}

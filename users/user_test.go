package users

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/crud"
)

func TestWalk(t *testing.T) {
	t.Parallel()
	for way, want := range map[[2]string][]string{
		{crud.Public, crud.Public}:  {},
		{crud.Public, crud.Draft}:   {crud.Draft},
		{crud.Public, crud.Trash}:   {crud.Trash},
		{crud.Public, crud.Deleted}: {crud.Trash, crud.Deleted},
		{crud.Draft, crud.Deleted}:  {crud.Trash, crud.Deleted},
		{crud.Trash, crud.Public}:   {crud.Draft, crud.Public},
		{crud.Deleted, crud.Public}: {crud.Trash, crud.Draft, crud.Public},
		{"NOWHERE", crud.Public}:    nil,
	} {
		if diff := cmp.Diff(want, walk(way[0], way[1])); diff != "" {
			t.Errorf("walk(%s, %s) (-want +got):\n%s", way[0], way[1], diff)
		}
	}
}

func TestMayLogIn(t *testing.T) {
	t.Parallel()
	s := New(Config{Now: func() time.Time { return time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC) }})
	for what, test := range map[string]struct {
		user crud.Document
		want bool
	}{
		"PUBLIC":              {crud.Document{"__STATE__": "PUBLIC"}, true},
		"not in the store":    {crud.Document{}, true},
		"DRAFT":               {crud.Document{"__STATE__": "DRAFT"}, false},
		"blocked":             {crud.Document{"__STATE__": "PUBLIC", "blocked": true}, false},
		"unblocked":           {crud.Document{"__STATE__": "PUBLIC", "blocked": false}, true},
		"expires later":       {crud.Document{"__STATE__": "PUBLIC", "expirationDate": "2030-01-01T12:00:00.001Z"}, true},
		"expires now":         {crud.Document{"__STATE__": "PUBLIC", "expirationDate": "2030-01-01T12:00:00.000Z"}, false},
		"expired":             {crud.Document{"__STATE__": "PUBLIC", "expirationDate": "2029-12-31"}, false},
		"a date not readable": {crud.Document{"__STATE__": "PUBLIC", "expirationDate": "soon"}, false},
	} {
		if got := s.mayLogIn(test.user); got != test.want {
			t.Errorf("%s: mayLogIn(%v) = %v, want %v", what, test.user, got, test.want)
		}
	}
}

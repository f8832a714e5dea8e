package management

import (
	"context"
	"slices"

	"user-manager/providers"
)

// A NameReader is a [Directory] that can tell which names accounts have.
type NameReader interface {
	// Names returns those of some addresses and user names that accounts have, as far as an
	// index knows. It is for words alone.
	Names(ctx context.Context, emails, usernames []string) (Names, error)
}

// Names are addresses and user names, in lower case.
type Names struct{ Emails, Usernames map[string]bool }

const namedAtOnce = 40 // rows whose names are looked for in one request

// nameConflicts adds to the problems of rows which property a conflict is over, where the
// report does not tell and that can be found out.
func (im *importing) nameConflicts(ctx context.Context, rows []int, failed map[int][]RowProblem) {
	reader, ok := im.Directory.(NameReader)
	if !ok {
		return
	}
	unnamed := slices.DeleteFunc(slices.Clone(rows), func(at int) bool { return nameless(failed[at]) < 0 })
	for some := range slices.Chunk(unnamed, namedAtOnce) {
		var emails, usernames []string
		for _, a := range im.accounts(some) {
			emails, usernames = append(emails, stored(a.Email)), append(usernames, stored(a.Username))
		}
		names, err := insist(ctx, func(ctx context.Context) (Names, error) { return reader.Names(ctx, emails, usernames) })
		if err != nil {
			return // the conflicts are told without
		}
		for _, at := range some {
			problem := &failed[at][nameless(failed[at])]
			switch a := im.given[at]; {
			case names.Emails[stored(a.Email)]:
				problem.Path = "email"
			case names.Usernames[stored(a.Username)]:
				problem.Path = "username"
			}
		}
	}
}

// nameless returns which problem is a conflict over a property that is not told, or -1.
func nameless(problems []RowProblem) int {
	return slices.IndexFunc(problems, func(p RowProblem) bool { return p.isConflict() && p.taken() == providers.ErrConflict })
}

package users

import (
	"context"
	"sync"

	"user-manager/crud"
)

// maxGroupName is beyond the length of any group's name that is asked for.
const maxGroupName = 256

// loadedGroups are the groups that the users of one import or activation are in, each read
// and compiled once, several in one call.
type loadedGroups struct {
	groups *groups

	mu    sync.Mutex
	known map[string]knownGroup // by name; guarded by mu
}

// A knownGroup is a group, or why there is none.
type knownGroup struct {
	group *group
	err   error
}

func newLoadedGroups(g *groups) *loadedGroups {
	return &loadedGroups{groups: g, known: map[string]knownGroup{}}
}

var errUnknownGroup = refuse(ErrInvalid, "userGroup: there is no such group")

// load reads those of the named groups that are not known yet.
func (g *loadedGroups) load(ctx context.Context, names []string) error {
	missing := g.missing(names)
	if len(missing) == 0 {
		return nil
	}
	configs, err := readAll(ctx, g.groups.configs.AllIn(ctx, "userGroup", missing, crud.Query{}))
	if err != nil {
		return err
	}
	found := map[string]knownGroup{}
	for _, config := range configs {
		name := text(config, "userGroup")
		made, err := compileGroup(name, config)
		found[name] = knownGroup{made, err}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, name := range missing {
		known, ok := found[name]
		if !ok {
			known.err = errUnknownGroup
		}
		g.known[name] = known
	}
	return nil
}

// missing returns those of names that are not known, each once. A name that no group can
// have is known not to be one.
func (g *loadedGroups) missing(names []string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var missing []string
	asked := map[string]bool{}
	for _, name := range names {
		if _, known := g.known[name]; !known && !asked[name] && len(name) <= maxGroupName {
			asked[name] = true
			missing = append(missing, name)
		}
	}
	return missing
}

// find is a groupFinder for groups that were loaded: any other is not there.
func (g *loadedGroups) find(_ context.Context, name string) (*group, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if known, ok := g.known[name]; ok {
		return known.group, known.err
	}
	return nil, errUnknownGroup
}

package users

import (
	"context"

	"user-manager/crud"
)

// CreateAll makes users of the given fields, each as [Service.Create] does and a few at a
// time; those who share a name or an address in their order. All are validated first: when
// one is wrong that is the error, with its place ("body/1"), and nothing was done.
// Otherwise there is an outcome for each: a user that could not be made does not take
// those with it that could.
func (s *Service) CreateAll(ctx context.Context, list []crud.Document, opts CreateOptions) ([]Outcome, error) {
	if err := s.validateAll(ctx, list, opts); err != nil {
		return nil, err
	}
	return s.severally(ctx, len(list), namesakes(list), func(ctx context.Context, i int) (Outcome, error) {
		created, err := s.Create(ctx, list[i], opts)
		return Outcome{ID: created.ID, Changed: err == nil, Warnings: created.Warnings}, err
	}), nil
}

// namesakes says for each user which earlier ones of the list it has a name or an address
// in common with: the last with each.
func namesakes(list []crud.Document) [][]int {
	last := map[string]int{}
	after := make([][]int, len(list))
	for i, user := range list {
		for _, name := range nameDigests(user) {
			if earlier, ok := last[name]; ok {
				after[i] = append(after[i], earlier)
			}
			last[name] = i
		}
	}
	return after
}

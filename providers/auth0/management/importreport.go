package management

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"user-manager/providers"
	"user-manager/upstream"
)

// settleDone settles the rows of a job that was completed. What its summary and its report
// do not say beyond doubt is looked up.
func (im *importing) settleDone(ctx context.Context, rows []int, id string, sum *Summary) error {
	all := len(rows)
	if sum != nil && *sum == (Summary{Inserted: all, Total: all}) {
		for _, at := range rows {
			_ = im.settle(at, nil)
		}
		return nil
	}
	report, err := im.report(ctx, id)
	if err != nil {
		return err
	}
	failed := im.match(rows, report)
	certain := sum != nil && failed.unknown == 0 &&
		*sum == (Summary{Failed: len(failed.rows), Inserted: all - len(failed.rows), Total: all})
	if !certain {
		im.log.WarnContext(ctx, "import job's summary and report differ", "importJobId", id, "rows", all, "reported", len(report))
	}
	return im.settleReported(ctx, rows, failed.rows, certain)
}

// report returns the report of a job, without anything if there is none to be had.
func (im *importing) report(ctx context.Context, id string) ([]RowError, error) {
	report, err := insist(ctx, func(ctx context.Context) ([]RowError, error) { return im.Jobs.Errors(ctx, id) })
	if errors.Is(err, upstream.ErrAnswer) || upstream.Status(err) == http.StatusNotFound {
		return nil, nil
	}
	return report, err
}

// settleReported settles the rows of a job that was completed, of which some failed. Rows
// that are not among those stand, if that is certain; if it is not, all are looked for, so
// that none is refused whose account stands.
func (im *importing) settleReported(ctx context.Context, rows []int, failed map[int][]RowProblem, certain bool) error {
	var open []int
	for _, at := range rows {
		problems, isFailed := failed[at]
		switch {
		case !isFailed && certain:
			_ = im.settle(at, nil)
		case !certain || isConflict(problems) || im.given[at].Blocked: // which an earlier import may have made
			open = append(open, at)
		default:
			im.fail(at, problems)
		}
	}
	found, err := im.read(ctx, open)
	if err != nil {
		return err
	}
	var ours, others []int
	for _, at := range open {
		if _, stands := found[im.idOf(at)]; stands {
			ours = append(ours, at)
		} else {
			others = append(others, at)
		}
	}
	im.nameConflicts(ctx, others, failed)
	for _, at := range others {
		im.fail(at, failed[at])
	}
	return im.bringAllOurs(ctx, ours, found)
}

// bringAllOurs brings accounts that stand, and are in found by id, to what is given.
func (im *importing) bringAllOurs(ctx context.Context, ours []int, found map[string]providers.Account) error {
	return im.each(ctx, ours, func(ctx context.Context, at int) error { return im.bringOurs(ctx, at, found[im.idOf(at)]) })
}

// fail notes that the row at an index failed.
func (im *importing) fail(at int, problems []RowProblem) {
	if len(problems) == 0 {
		problems = []RowProblem{{Message: "The import made no account and did not say why."}}
	}
	p := problems[max(slices.IndexFunc(problems, RowProblem.isConflict), 0)]
	switch {
	case p.isConflict():
		im.refuse(at, p.taken(), p.Message)
	case p.Code == "INVALID_FORMAT" || p.Code == "FORMAT":
		im.refuse(at, providers.ErrInvalid, cmp.Or(im.words(at, p), "The account is not valid."))
	default:
		message := cmp.Or(im.words(at, p), "The account was refused.")
		im.outcomes[at] = providers.ImportOutcome{Refusal: &providers.ImportRefusal{Code: cmp.Or(p.Code, providers.CodeRefused), Message: message}}
	}
}

// words returns what a problem says of the row at an index, without the row's values.
func (im *importing) words(at int, p RowProblem) string {
	a := im.given[at]
	return Clip(providers.Mask(p.Message, a.Username, a.Email, a.Key))
}

func isConflict(problems []RowProblem) bool {
	return slices.ContainsFunc(problems, RowProblem.isConflict)
}

// alreadyThere finds a conflict whose code is not known, such as that of a row whose address
// an earlier one in the file has.
var alreadyThere = regexp.MustCompile(`(?i)\balready (exists?|provided)\b|\balready been\b|\bwas already\b`)

func (p RowProblem) isConflict() bool {
	switch p.Code {
	case "DUPLICATED_USER", "CONFLICT", "CONFLICT_EMAIL", "CONFLICT_USERNAME":
		return true
	}
	return alreadyThere.MatchString(p.Message)
}

// taken returns the cause of a conflict, with the property where the problem tells it.
func (p RowProblem) taken() error {
	path := p.Path[strings.LastIndexByte(p.Path, '.')+1:]
	for _, property := range []string{"username", "email"} {
		if path == property || p.Code == "CONFLICT_"+strings.ToUpper(property) {
			return providers.Taken{Property: property}
		}
	}
	return conflictOver(p.Message)
}

// A matching says which rows of a job failed.
type matching struct {
	rows    map[int][]RowProblem // by the index of given
	unknown int                  // items of the report that are of no row
}

// match finds the rows that a report is about: by the user_id that was sent, and where it is
// not in the report by the address and the name. Of several rows with those it is the last,
// since a tenant takes the first.
func (im *importing) match(rows []int, report []RowError) matching {
	byKey, byName := map[string]int{}, map[string][]int{}
	for _, at := range rows {
		a := im.given[at]
		byKey[a.Key] = at
		byName[stored(a.Email)] = append(byName[stored(a.Email)], at)
	}
	m := matching{rows: map[int][]RowProblem{}}
	for _, item := range report {
		at, ok := byKey[strings.TrimPrefix(item.Row["user_id"], scheme)]
		if item.Row["user_id"] == "" {
			at, ok = im.lastOf(byName[stored(item.Row["email"])], item.Row["username"], m.rows)
		}
		if ok {
			m.rows[at] = append(m.rows[at], item.Errors...)
		} else {
			m.unknown++
		}
	}
	return m
}

// lastOf returns the last of the rows that has not failed yet and has the user name.
func (im *importing) lastOf(rows []int, username string, failed map[int][]RowProblem) (at int, ok bool) {
	for _, at := range slices.Backward(rows) {
		if _, has := failed[at]; !has && stored(im.given[at].Username) == stored(username) {
			return at, true
		}
	}
	return 0, false
}

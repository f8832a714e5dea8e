package embedded

import (
	"strings"

	"user-manager/crud/document"
)

// SQLite takes 32,766 variables and expressions 1,000 levels deep: a filter with more
// than these is left to the matcher alone.
const (
	maxVariables  = 10_000
	maxConditions = 400
)

// narrowed is what SQL can say of a filter: a condition that holds for every document
// that the filter matches. exact means that it holds for no other.
type narrowed struct {
	where   string // "" is true
	args    []any
	exact   bool
	indexed bool // a column beside the state leads to the candidates
}

// narrow translates as much of a filter as there are columns for.
func (c *collection) narrow(f document.Filter) narrowed {
	n := c.narrowTerm(f)
	if len(n.args) > maxVariables || strings.Count(n.where, " AND ")+strings.Count(n.where, " OR ") > maxConditions {
		return narrowed{}
	}
	return n
}

func (c *collection) narrowTerm(f document.Filter) narrowed {
	switch f.Op {
	case "", document.And:
		return c.narrowAnd(f.Terms)
	case document.Or:
		return c.narrowOr(f.Terms)
	}
	col, ok := c.sqlColumn(f.Path)
	if !ok {
		return narrowed{}
	}
	return narrowColumn(col, f)
}

// narrowAnd joins what is known; a term without a condition leaves it inexact. The
// state is seldom worth an index when there is another, so then it is kept from it.
func (c *collection) narrowAnd(terms []document.Filter) narrowed {
	out := narrowed{exact: true}
	var parts, stateParts []string
	var args, stateArgs []any
	for _, term := range terms {
		n := c.narrowTerm(term)
		out.exact = out.exact && n.exact
		switch {
		case n.where == "":
		case term.Path == "__STATE__":
			stateParts, stateArgs = append(stateParts, n.where), append(stateArgs, n.args...)
		default:
			parts, args = append(parts, n.where), append(args, n.args...)
			out.indexed = out.indexed || n.indexed
		}
	}
	for _, part := range stateParts {
		if out.indexed {
			part = strings.Replace(part, "state", "+state", 1)
		}
		parts = append(parts, part)
	}
	out.where, out.args = strings.Join(parts, " AND "), append(args, stateArgs...)
	return out
}

// narrowOr knows something only when every term does.
func (c *collection) narrowOr(terms []document.Filter) narrowed {
	if len(terms) == 0 {
		return narrowed{where: "FALSE", exact: true, indexed: true}
	}
	out := narrowed{exact: true, indexed: true}
	var parts []string
	for _, term := range terms {
		n := c.narrowTerm(term)
		if n.where == "" {
			return narrowed{exact: out.exact && n.exact && len(terms) == 1}
		}
		out.exact = out.exact && n.exact
		out.indexed = out.indexed && n.indexed
		parts, out.args = append(parts, "("+n.where+")"), append(out.args, n.args...)
	}
	out.where = "(" + strings.Join(parts, " OR ") + ")"
	return out
}

func narrowColumn(col column, f document.Filter) narrowed {
	v := f.Value
	leads := col.name != "state"
	switch f.Op {
	case document.Eq:
		if !isScalar(v) {
			return narrowed{}
		}
		if v == nil {
			return narrowed{where: col.name + " IS NULL", exact: true, indexed: leads}
		}
		return narrowed{col.name + " = ?", []any{columnValue(v)}, true, leads}
	case document.Ne:
		if !isScalar(v) {
			return narrowed{}
		}
		return narrowed{where: col.name + " IS NOT ?", args: []any{columnValue(v)}, exact: true}
	case document.In:
		return narrowIn(col, v.([]any))
	case document.Nin:
		return narrowNin(col, v.([]any))
	case document.Gt, document.Gte, document.Lt, document.Lte:
		return narrowRange(col, f)
	}
	return narrowed{}
}

func isScalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

// scalars gives the values that a column can hold, and whether null is one. The last
// value is repeated up to a power of two, so that there are few texts of queries.
func scalars(items []any) (args []any, null bool) {
	for _, item := range items {
		switch {
		case item == nil:
			null = true
		case isScalar(item):
			args = append(args, columnValue(item))
		}
	}
	return padded(args), null
}

func padded(args []any) []any {
	for n := len(args); n > 0 && n&(n-1) != 0; n++ {
		args = append(args, args[len(args)-1])
	}
	return args
}

func marks(n int) string {
	return "(" + strings.TrimSuffix(strings.Repeat("?,", n), ",") + ")"
}

func narrowIn(col column, items []any) narrowed {
	args, null := scalars(items)
	n := narrowed{args: args, exact: true, indexed: col.name != "state"}
	switch {
	case len(args) == 0 && null:
		n.where = col.name + " IS NULL"
	case len(args) == 0:
		n.where = "FALSE"
	case null:
		n.where = "(" + col.name + " IN " + marks(len(args)) + " OR " + col.name + " IS NULL)"
	default:
		n.where = col.name + " IN " + marks(len(args))
	}
	return n
}

func narrowNin(col column, items []any) narrowed {
	args, null := scalars(items)
	n := narrowed{args: args, exact: true}
	switch {
	case len(args) == 0 && null:
		n.where = col.name + " IS NOT NULL"
	case len(args) == 0:
		n.where = "TRUE"
	case null:
		n.where = col.name + " NOT IN " + marks(len(args)) // which NULL never is
	default:
		n.where = "(" + col.name + " IS NULL OR " + col.name + " NOT IN " + marks(len(args)) + ")"
	}
	return n
}

// narrowRange bounds a range to the type of its operand: types do not mix.
func narrowRange(col column, f document.Filter) narrowed {
	if f.Value == nil {
		if f.Op == document.Gte || f.Op == document.Lte {
			return narrowed{where: col.name + " IS NULL", exact: true, indexed: col.name != "state"}
		}
		return narrowed{where: "FALSE", exact: true, indexed: true}
	}
	low, high, ok := typeBounds(f.Value)
	if !ok {
		return narrowed{}
	}
	sign := map[document.Op]string{document.Gt: " > ", document.Gte: " >= ", document.Lt: " < ", document.Lte: " <= "}[f.Op]
	n := narrowed{where: col.name + sign + "?", args: []any{columnValue(f.Value)}, exact: true, indexed: col.name != "state"}
	up := f.Op == document.Gt || f.Op == document.Gte
	switch {
	case up && high != "":
		n.where += " AND " + col.name + " < " + high
	case !up && low != "":
		n.where += " AND " + col.name + " >= " + low
	}
	return n
}

// typeBounds are the SQL values between which all values of a type lie.
func typeBounds(v any) (low, high string, ok bool) {
	switch v.(type) {
	case float64:
		return "", "''", true
	case string:
		return "''", "x''", true
	case bool:
		return "x'03'", "x'04'", true
	}
	return "", "", false
}

// orderBy is the order of an answer in SQL, if every key has a column.
func (c *collection) orderBy(keys []document.SortKey) (text string, ok bool) {
	if len(keys) == 0 {
		return "seq", true
	}
	for _, key := range keys {
		col, ok := c.sqlColumn(key.Path)
		if !ok {
			return "", false
		}
		text += col.name
		if key.Desc {
			text += " DESC"
		}
		text += ", "
	}
	return text + "seq", true
}

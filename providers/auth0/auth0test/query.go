package auth0test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// invalidQuery refuses the query; property, with what it is in brackets, may be "".
func invalidQuery(reason, property string) *reply {
	message := "Query validation error: '" + reason + "'"
	if property != "" {
		message += " on property " + property + "."
	}
	return refuse(http.StatusBadRequest, "invalid_query_string", message)
}

// onlyParameters refuses a query with others than these.
func (c *call) onlyParameters(known ...string) error {
	query, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil {
		return invalidQuery("Invalid query string", "")
	}
	var extra []string
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(known, name) {
			extra = append(extra, name)
		}
	}
	if len(extra) > 0 {
		return invalidQuery("Additional properties not allowed: "+strings.Join(extra, ","), "")
	}
	return nil
}

// userFields are the properties of a user that can be asked for.
var userFields = []string{
	"user_id", "email", "email_verified", "username", "phone_number", "phone_verified", "created_at", "updated_at", "identities",
	"app_metadata", "user_metadata", "picture", "name", "nickname", "multifactor", "last_ip", "last_login", "last_password_reset",
	"logins_count", "blocked", "given_name", "family_name",
}

// fields reads "fields" and "include_fields", and returns what shows a document accordingly.
// The query may have no other parameters than known.
func (c *call) fields(known ...string) (func(map[string]any) map[string]any, error) {
	if err := c.onlyParameters(known...); err != nil {
		return nil, err
	}
	all := c.URL.Query().Get("fields")
	keep, err := c.flag("include_fields", true)
	if err != nil {
		return nil, err
	}
	for name := range strings.SplitSeq(all, ",") {
		if all != "" && !slices.Contains(userFields, name) {
			return nil, invalidQuery("String '"+all+"' does not match pattern. Must be a comma separated list of the following values: "+
				strings.Join(userFields, ","), "fields")
		}
	}
	return func(doc map[string]any) map[string]any { return only(doc, all, keep) }, nil
}

// flag reads a parameter that is true or false.
func (c *call) flag(name string, fallback bool) (bool, error) {
	switch c.URL.Query().Get(name) {
	case "":
		return fallback, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, invalidQuery("Expected type boolean but found type string", name)
}

// number reads a parameter that is a number in a range; most 0: any.
func (c *call) number(name, about string, fallback, least, most int) (int, error) {
	text := c.URL.Query().Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	about = name + " (" + about + ")"
	switch {
	case err != nil:
		return 0, invalidQuery("Expected type integer but found type string", about)
	case n < least:
		return 0, invalidQuery(fmt.Sprintf("Value %d is less than minimum %d", n, least), about)
	case most > 0 && n > most:
		return 0, invalidQuery(fmt.Sprintf("Value %d is greater than maximum %d", n, most), about)
	}
	return n, nil
}

// lastPage is far behind every list, and leaves room to multiply it by the size of a page.
const lastPage = 1 << 40

// A paging is which part of a list is asked for.
type paging struct {
	page, size int
	totals     bool
}

// paging reads the parameters of a page of at least the given size.
func (c *call) paging(least int) (paging, error) {
	page, err := c.number("page", "Page index of the results to return. First page is 0", 0, 0, 0)
	if err != nil {
		return paging{}, err
	}
	size, err := c.number("per_page", "Number of results per page. Defaults to 50", 50, least, 100)
	if err != nil {
		return paging{}, err
	}
	totals, err := c.flag("include_totals", false)
	return paging{min(page, lastPage), size, totals}, err
}

// list answers with a page of items, called name when there are totals.
func (p paging) list(name string, items []any) *reply {
	start := min(p.page*p.size, len(items))
	shown := items[start:min(start+p.size, len(items))]
	if shown == nil {
		shown = []any{}
	}
	if !p.totals {
		return ok(http.StatusOK, shown)
	}
	return ok(http.StatusOK, map[string]any{
		"start": p.page * p.size, "limit": p.size, "length": len(shown), "total": len(items), name: shown,
	})
}

package auth0test

import (
	"cmp"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Limits of searches: users that can be read from one, and bytes of the URL that asks.
const (
	searchDepth = 1000
	urlLimit    = 8 << 10
)

// searchUsers handles GET /api/v2/users.
func searchUsers(c *call) (*reply, error) {
	if len(c.URL.RequestURI()) > urlLimit {
		return nil, refuse(http.StatusRequestURITooLong, "", "Request-URI Too Large")
	}
	show, err := c.fields("page", "per_page", "include_totals", "sort", "connection", "fields", "include_fields", "q", "search_engine", "primary_order")
	if err != nil {
		return nil, err
	}
	page, err := c.searchPage()
	if err != nil {
		return nil, err
	}
	found, err := c.search()
	if err != nil {
		return nil, err
	}
	items := make([]any, len(found))
	for i, doc := range found {
		items[i] = show(doc)
	}
	return page.list("users", items), nil
}

// searchPage reads which page of a search is asked for.
func (c *call) searchPage() (paging, error) {
	page, err := c.paging(0)
	if err != nil {
		return page, err
	}
	query := c.URL.Query()
	switch engine := query.Get("search_engine"); {
	case engine == "v1" || engine == "v2":
		return page, refuse(http.StatusBadRequest, "", "You are not allowed to use search_engine="+engine+".")
	case engine != "" && engine != "v3":
		return page, invalidQuery("No enum match for: "+engine, "search_engine")
	case query.Has("connection"):
		return page, refuse(http.StatusBadRequest, "", "The 'connection' parameter is available only if you specify 'search_engine=v1'.")
	case page.page*page.size+page.size > searchDepth:
		return page, refuse(http.StatusBadRequest, "invalid_paging",
			"You can only page through the first 1000 records. See https://auth0.com/docs/users/search/v3/view-search-results-by-page#limitation")
	}
	return page, nil
}

// search returns the documents that the index has for the query, in the order that is asked for.
func (c *call) search() ([]map[string]any, error) {
	q := c.URL.Query().Get("q")
	if q == "" {
		found := c.tenant.users.indexed(c.now, nil)
		return found, c.order(found)
	}
	parsed, err := parseLucene(q)
	if err != nil {
		return nil, err
	}
	found := c.tenant.users.indexed(c.now, idsIn(parsed))
	found = slices.DeleteFunc(found, func(doc map[string]any) bool { return !parsed.matches(doc) })
	return found, c.order(found)
}

const sortPattern = `^[a-zA-Z0-9_.]+:(1|-1)$`

var sortForm = regexp.MustCompile(sortPattern)

// order sorts documents as "sort" says.
func (c *call) order(docs []map[string]any) error {
	text := c.URL.Query().Get("sort")
	if text == "" {
		return nil
	}
	field, direction, _ := strings.Cut(text, ":")
	if !sortForm.MatchString(text) || strings.Contains(field, "_metadata") {
		return invalidQuery("String does not match pattern "+sortPattern+": "+text, "sort")
	}
	slices.SortStableFunc(docs, func(a, b map[string]any) int {
		order := compareFirst(first(a, field), first(b, field))
		if direction == "-1" {
			return -order
		}
		return order
	})
	return nil
}

// first returns the first value of a field, nil for none.
func first(doc map[string]any, field string) any {
	for _, value := range valuesAt(doc, strings.Split(field, ".")) {
		return value
	}
	return nil
}

// compareFirst compares numbers as such, and all else as text. What is not there comes first.
func compareFirst(a, b any) int {
	x, isX := numberOf(a)
	y, isY := numberOf(b)
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	case isX && isY:
		return cmp.Compare(x, y)
	}
	return cmp.Compare(textOf(a), textOf(b))
}

// numberOf returns a number of a document.
func numberOf(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case json.Number:
		n, err := v.Float64()
		return n, err == nil
	}
	return 0, false
}

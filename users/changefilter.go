package users

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"user-manager/crud"
)

// longestFilter is how many bytes of a URL a filter may take.
const longestFilter = 6 << 10

func (c *selectedChange) parseFilter(filter crud.Document) error {
	var conditions []any
	for _, name := range slices.Sorted(maps.Keys(filter)) {
		condition, err := c.condition(name, filter[name])
		if err != nil {
			return err
		}
		if condition != nil {
			conditions = append(conditions, condition)
		}
	}
	if len(conditions) == 0 {
		return nil
	}
	c.filter = map[string]any{"$and": conditions}
	query, err := json.Marshal(c.filter)
	if err != nil {
		return err
	}
	if len(url.QueryEscape(string(query))) > longestFilter {
		return refuse(ErrInvalid, "body: must not take more than %d bytes of a URL", longestFilter)
	}
	c.params.Set("_q", string(query))
	return nil
}

// condition returns what a property of a filter asks for, as a query; nil for those that
// are not part of the query.
func (c *selectedChange) condition(name string, value any) (any, error) {
	words, isText := value.(string)
	switch {
	case name == "_id" && (!isText || !crud.IsID(words)):
		return nil, refuse(ErrInvalid, "_id: must be the id of a user")
	case name == "_id":
		c.id = strings.ToLower(words)
	case name == "_st" && !slices.ContainsFunc(crud.AllStates, func(state string) bool { return strings.Contains(words, state) }):
		return nil, refuse(ErrInvalid, "_st: must be states, separated by commas")
	case name == "_st":
		c.params.Set("_st", words)
		c.states = strings.Split(words, ",")
	case name == "_q":
		return parseQuery(value)
	case strings.HasPrefix(name, "_") || strings.HasPrefix(name, "$"):
		return nil, refuse(ErrInvalid, "%s: is not a field that can be filtered by", name)
	default:
		return equality(name, value)
	}
	return nil, nil
}

// parseQuery returns the query in a text; nil for an empty one, which asks for nothing.
func parseQuery(value any) (any, error) {
	words, ok := value.(string)
	if ok && words == "" {
		return nil, nil
	}
	var query map[string]json.RawMessage
	if err := json.Unmarshal([]byte(words), &query); !ok || err != nil || query == nil {
		return nil, refuse(ErrInvalid, "_q: must be a text that holds a query as JSON")
	}
	return json.RawMessage(words), nil
}

// equality asks for a value; operators are for "_q".
func equality(name string, value any) (any, error) {
	if object, ok := value.(map[string]any); ok {
		for key := range object {
			if strings.HasPrefix(key, "$") {
				return nil, refuse(ErrInvalid, "%s: must be a value to equal; operators belong into _q", name)
			}
		}
	}
	return map[string]any{name: value}, nil
}

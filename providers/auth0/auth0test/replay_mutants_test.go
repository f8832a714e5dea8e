package auth0test_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// mutants are an answer with one mistake each, by the mistake. The places that are not
// compared, and limits that were not recorded, stay as they are.
func mutants(st step, fits answer, places []string) map[string]answer {
	all := map[string]answer{
		"another status":       {fits.status + 1, fits.header, fits.body},
		"another content type": {fits.status, with(fits.header, "Content-Type", "text/css"), fits.body},
		"more in the body":     {fits.status, fits.header, append(slices.Clone(fits.body), 'x')},
	}
	if limit := st.Response.Headers["x-ratelimit-limit"]; limit != "" {
		all["no limit"] = answer{fits.status, with(fits.header, "X-Ratelimit-Limit", ""), fits.body}
		all["nothing taken"] = answer{fits.status, with(fits.header, "X-Ratelimit-Remaining", limit), fits.body}
		all["full again in the past"] = answer{fits.status, with(fits.header, "X-Ratelimit-Reset", "12345"), fits.body}
	}
	var value any
	if json.Unmarshal(fits.body, &value) != nil {
		return all
	}
	for mistake, wrong := range variants("", value, places) {
		text, err := json.Marshal(wrong)
		if err != nil {
			panic(err) // it came out of JSON
		}
		all[mistake] = answer{fits.status, fits.header, text}
	}
	return all
}

func with(h http.Header, name, value string) http.Header {
	h = h.Clone()
	h.Set(name, value)
	return h
}

// variants are JSON values that differ from v in one place each, by the difference.
func variants(at string, v any, places []string) map[string]any {
	all := map[string]any{}
	if slices.Contains(places, at) {
		return all
	}
	switch v := v.(type) {
	case map[string]any:
		all[at+"/more added"] = put(v, "more", true)
		for key, value := range v {
			if place := at + "/" + key; !slices.Contains(places, place) {
				all[place+" left out"] = put(v, key, nil)
				for mistake, wrong := range variants(place, value, places) {
					all[mistake] = put(v, key, wrong)
				}
			}
		}
	case []any:
		all[at+" longer"] = append(slices.Clone(v), "more")
		for i, value := range v {
			for mistake, wrong := range variants(at+"/"+strconv.Itoa(i), value, places) {
				changed := slices.Clone(v)
				changed[i] = wrong
				all[mistake] = changed
			}
		}
	case string:
		all[at+" another text"] = v + "x"
	case float64:
		all[at+" another number"] = v + 1
	case bool:
		all[at+" the contrary"] = !v
	default:
		all[at+" something"] = "something"
	}
	return all
}

// put gives an object with another value at a key; nil takes the key out.
func put(object map[string]any, key string, value any) map[string]any {
	object = maps.Clone(object)
	if object[key] = value; value == nil {
		delete(object, key)
	}
	return object
}

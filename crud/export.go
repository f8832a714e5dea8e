package crud

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

// IDs returns the ids of the documents that params select, in the order in which they
// were inserted, at most limit of them. params are those of the service's changes by
// filter: "_q", "_st" and fields; nil means every PUBLIC document.
func (c Collection) IDs(ctx context.Context, params url.Values, limit int) ([]string, error) {
	query, header := maps.Clone(params), c.header.Clone()
	if query == nil {
		query = url.Values{}
	}
	if header == nil {
		header = http.Header{}
	}
	query.Set("_p", "_id")
	query.Set("_l", strconv.Itoa(limit))
	header.Set("Accept", "application/x-ndjson")
	lines, err := c.client.do(ctx, call{method: http.MethodGet, path: c.path + "/export", route: c.path + "/export", query: query, header: header})
	if err != nil {
		return nil, err
	}
	ids, err := readIDs(lines)
	if err != nil {
		return nil, c.malformed(http.MethodGet, "/export", err)
	}
	return ids, nil
}

func readIDs(lines []byte) ([]string, error) {
	var ids []string
	for decoder := json.NewDecoder(bytes.NewReader(lines)); decoder.More(); {
		var doc struct {
			ID string `json:"_id"`
		}
		if err := decoder.Decode(&doc); err != nil {
			return nil, fmt.Errorf("decode answer: %w", err)
		}
		if !IsID(doc.ID) {
			return nil, fmt.Errorf("line %d is not a document with an id", len(ids)+1)
		}
		ids = append(ids, doc.ID)
	}
	return ids, nil
}

// Validate asks whether doc could be inserted but for the values that must be unique,
// and inserts nothing. That it could not is a refusal with status 400.
func (c Collection) Validate(ctx context.Context, doc Document) error {
	return c.decode(ctx, http.MethodPost, "/validate", nil, doc, nil)
}

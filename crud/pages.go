package crud

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"user-manager/upstream"
)

// pageSize is the most documents that a list gives at once, unless the service is
// configured to give fewer.
const pageSize = 200

// pageTooLarge is how a service refuses a page that is larger than its own limit.
var pageTooLarge = regexp.MustCompile(`^querystring/_l must be <= ([0-9]+)$`)

// clamped returns how many documents to ask for at once where n are wanted.
func (c *Client) clamped(n int) int {
	if most := int(c.mostPerPage.Load()); most > 0 {
		return min(n, most)
	}
	return n
}

// learnsLimit reports whether err says how large a page of the service may be, less than
// asked for, and keeps that.
func (c *Client) learnsLimit(err error, asked int) bool {
	refusal, ok := errors.AsType[*upstream.Error](err)
	if !ok || refusal.Status != http.StatusBadRequest {
		return false
	}
	found := pageTooLarge.FindStringSubmatch(refusal.Message)
	if found == nil {
		return false
	}
	most, err := strconv.Atoi(found[1])
	if err != nil || most < 1 || most >= asked {
		return false
	}
	c.mostPerPage.Store(int64(most))
	return true
}

// page gets the documents that q selects from skip on: q.Limit, or fewer when that is
// more than the service gives at once. limit is how many were asked for.
func (c Collection) page(ctx context.Context, q Query, skip int) (page []byte, limit int, err error) {
	for {
		asked := q
		asked.Limit = c.client.clamped(q.Limit)
		if asked.Limit < q.Limit {
			asked.Sort = inOrder(q.Sort)
		}
		params, err := c.params(http.MethodGet, "/", asked)
		if err != nil {
			return nil, 0, err
		}
		if skip > 0 {
			params.Set("_sk", strconv.Itoa(skip))
		}
		page, err := c.client.do(ctx, call{method: http.MethodGet, path: c.path + "/", route: c.path + "/", query: params, header: c.header})
		if err == nil || !c.client.learnsLimit(err, asked.Limit) {
			return page, asked.Limit, err
		}
	}
}

// inOrder returns a sort that leaves no two documents in any order: what is read in
// several pages needs that.
func inOrder(sort string) string {
	if sort == "_id" || strings.HasSuffix(sort, ",_id") {
		return sort
	}
	return strings.TrimPrefix(sort+",_id", ",")
}

// gather returns the whole page of q, of which the service gave only the first limit
// documents.
func (c Collection) gather(ctx context.Context, q Query, first []byte, limit int) ([]byte, error) {
	var all []json.RawMessage
	for page := first; ; {
		var some []json.RawMessage
		if err := c.unmarshal(c.Route(http.MethodGet, "/"), page, &some); err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < limit || len(all) >= q.Limit {
			return json.Marshal(all)
		}
		rest := q
		rest.Limit, rest.Sort = q.Limit-len(all), inOrder(q.Sort)
		var err error
		if page, limit, err = c.page(ctx, rest, len(all)); err != nil {
			return nil, err
		}
	}
}

// walk yields what q, which is sorted by id, selects, in pages of its limit.
func (c Collection) walk(ctx context.Context, q Query) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		for page := q; ; {
			docs, limit, err := c.docs(ctx, page)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, doc := range docs {
				if !yield(doc, nil) {
					return
				}
			}
			if len(docs) < limit {
				return
			}
			page.Filter = after(q.Filter, docs[len(docs)-1]["_id"])
		}
	}
}

func (c Collection) docs(ctx context.Context, q Query) (docs []Document, limit int, err error) {
	page, limit, err := c.page(ctx, q, 0)
	if err != nil {
		return nil, 0, err
	}
	return docs, limit, c.unmarshal(c.Route(http.MethodGet, "/"), page, &docs)
}

// after narrows a filter to ids beyond id.
func after(filter map[string]any, id any) map[string]any {
	next := map[string]any{"_id": map[string]any{"$gt": id}}
	if filter == nil {
		return next
	}
	return map[string]any{"$and": []any{filter, next}}
}

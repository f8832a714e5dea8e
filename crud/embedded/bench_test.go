package embedded

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"user-manager/crud/document"
)

const benchUser = `{"userGroup":"staff","username":"u%06d","email":"u%06d@example.com","blocked":false,"expirationDate":"2031-05-01","roles":["editor","viewer"],"name":"Ann","age":30,"address":{"city":"Rome","geo":{"lat":41.9,"lng":12.5}}}`

// discard is an answer that only counts.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

// send answers a request without keeping the answer.
func send(b *testing.B, h http.Handler, method, path, body string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := &discard{header: http.Header{}}
	h.ServeHTTP(w, r)
	if w.status >= 300 {
		b.Errorf("%s %s: %d", method, path, w.status)
	}
}

func benchStore(b *testing.B, sync string, users int) *Store {
	s := openStore(b, Config{Path: filepath.Join(b.TempDir(), "store.db"), Sync: sync, Collections: []Definition{Users("/users")}})
	for start := 0; start < users; start += 1000 {
		var items []string
		for i := start; i < min(start+1000, users); i++ {
			items = append(items, fmt.Sprintf(benchUser, i, i))
		}
		must(b, s, "POST", "/users/bulk", "["+strings.Join(items, ",")+"]")
	}
	return s
}

func BenchmarkInsert(b *testing.B) {
	for _, sync := range []string{"full", "normal"} {
		for _, writers := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d writers", sync, writers), func(b *testing.B) {
				s := benchStore(b, sync, 0)
				var n atomic.Int64
				b.ReportAllocs()
				b.ResetTimer()
				inParallel(writers, func(int) {
					for {
						i := n.Add(1)
						if i > int64(b.N) {
							return
						}
						send(b, s, "POST", "/users/", fmt.Sprintf(benchUser, i, i))
					}
				})
			})
		}
	}
}

func BenchmarkRead(b *testing.B) {
	s := benchStore(b, "normal", 10_000)
	id := insertID(b, s, "/users/", `{"userGroup":"x"}`)
	for _, c := range []struct{ name, path string }{
		{"get by id", "/users/" + id},
		{"get by unique email", "/users/?email=u005000@example.com"},
		{"list of 25", "/users/"},
		{"list of 200", "/users/?_l=200"},
		{"list of 25, projected", "/users/?_p=username,email"},
		{"list of 25, newest first", "/users/?_s=-createdAt"},
		{"list of 25, filtered in Go", "/users/?_q=%7B%22address.city%22:%22Rome%22%7D"},
		{"list of 25, deep", "/users/?_sk=9000"},
		{"list of 25, sorted in Go", "/users/?_s=address.city"},
		{"count", "/users/count"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				send(b, s, "GET", c.path, "")
			}
		})
	}
}

func BenchmarkPatch(b *testing.B) {
	s := benchStore(b, "normal", 1000)
	id := insertID(b, s, "/users/", fmt.Sprintf(benchUser, 5000, 5000))
	b.ReportAllocs()
	for b.Loop() {
		send(b, s, "PATCH", "/users/"+id, `{"$inc":{"age":1},"$set":{"name":"Anna"}}`)
	}
}

func BenchmarkRow(b *testing.B) {
	c, err := newCollection(Users("/users"))
	if err != nil {
		b.Fatal(err)
	}
	v, raws, err := document.ParseRaw(fmt.Sprintf(benchUser, 1, 1), 0)
	if err != nil {
		b.Fatal(err)
	}
	kept := c.keepRaw(raws[0])
	b.ReportAllocs()
	for b.Loop() {
		c.newRow(v.(map[string]any), kept)
	}
}

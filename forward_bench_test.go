package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"user-manager/upstream"
)

// listOf is a list of n users as a CRUD Service writes it.
func listOf(n int) string {
	users := make([]string, n)
	for i := range users {
		users[i] = fmt.Sprintf(`{"_id":"6b02244848366609af0a%04x","__STATE__":"PUBLIC","creatorId":"public","createdAt":"2026-11-21T20:21:40.731Z",`+
			`"updaterId":"public","updatedAt":"2026-11-21T20:21:40.732Z","userGroup":"customers","authUserId":"fake|af63994e61848cd53a7f%04x",`+
			`"email":"ann%d@example.com","name":"Ann","surname":"Lee","newsletter":true,"tags":["a","b"],"address":{"city":"Rome"}}`, i, i, i)
	}
	return "[\n" + strings.Join(users, "\n,\n") + "\n]\n"
}

// cannedStore is a CRUD Service that has its answers ready.
func cannedStore(b *testing.B, list string) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/count") {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = io.WriteString(w, "10000")
			return
		}
		w.Header().Set("Content-Type", "application/json") // and in chunks, as the service does
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, list)
	}))
	b.Cleanup(server.Close)
	return server
}

// bareProxy is the least that can be between a client and the store.
func bareProxy(b *testing.B, store string, connections int) string {
	target, err := url.Parse(store)
	if err != nil {
		b.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = connections, connections
	b.Cleanup(transport.CloseIdleConnections)
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	server := httptest.NewServer(proxy)
	b.Cleanup(server.Close)
	return server.URL
}

// wholeService is this service over the store, with its log.
func wholeService(b testing.TB, store string) string {
	cfg, err := loadConfig(environment(map[string]string{"CRUD_SERVICE": store, "USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/ums-config"}))
	if err != nil {
		b.Fatal(err)
	}
	log := newLog(io.Discard, slog.LevelInfo)
	s, err := openStore(b.Context(), cfg, log, upstream.Observer{})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(newAPI(cfg, neighbours{store: s}, log).handler())
	b.Cleanup(server.Close)
	return server.URL
}

// askFor makes n requests over so many connections and returns how long they took.
func askFor(b *testing.B, client *http.Client, url string, want, connections, n int) time.Duration {
	start := time.Now()
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			for range n / connections {
				res, err := client.Get(url)
				if err != nil {
					b.Error(err)
					return
				}
				got, err := io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if err != nil || int(got) != want || res.StatusCode != http.StatusOK {
					b.Errorf("%d with %d bytes, %v; want 200 with %d", res.StatusCode, got, err, want)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(start)
}

// BenchmarkForward compares what passes through this service with what passes through a
// bare reverse proxy: the same requests in turns. "ratio" is the median of the
// throughput, that of the proxy being 1.
func BenchmarkForward(b *testing.B) {
	const connections, requests = 16, 800
	for _, bench := range []struct {
		name, path string
		users      int
	}{{"list of 25", "/users/", 25}, {"list of 200", "/users/", 200}, {"count", "/users/count", 0}} {
		b.Run(bench.name, func(b *testing.B) {
			list := listOf(bench.users)
			want := len(list)
			if bench.users == 0 {
				want = len("10000")
			}
			store := cannedStore(b, list)
			bare, whole := bareProxy(b, store.URL, connections), wholeService(b, store.URL)
			transport := &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			askFor(b, client, bare+bench.path, want, connections, requests)
			askFor(b, client, whole+bench.path, want, connections, requests)
			var ratios []float64
			var bareTime, wholeTime time.Duration
			for b.Loop() {
				by := askFor(b, client, bare+bench.path, want, connections, requests)
				with := askFor(b, client, whole+bench.path, want, connections, requests)
				ratios = append(ratios, float64(by)/float64(with))
				bareTime, wholeTime = bareTime+by, wholeTime+with
			}
			slices.Sort(ratios)
			n := float64(len(ratios) * requests)
			b.ReportMetric(ratios[len(ratios)/2], "ratio")
			b.ReportMetric(n/bareTime.Seconds(), "bare/s")
			b.ReportMetric(n/wholeTime.Seconds(), "whole/s")
		})
	}
}

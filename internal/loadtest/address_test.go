package main

import "testing"

func TestLoopback(t *testing.T) {
	for url, want := range map[string]string{
		"http://127.0.0.1:3000":  "127.0.0.1:3000",
		"http://127.0.0.1:3000/": "127.0.0.1:3000",
		"http://127.8.8.8":       "127.8.8.8:80",
		"http://[::1]:3000":      "[::1]:3000",
	} {
		got, err := loopback(t.Context(), url)
		if err != nil || got != want {
			t.Errorf("loopback(%q) = %q, %v; want %q", url, got, err, want)
		}
	}
}

func TestOthersAreRefused(t *testing.T) {
	for _, url := range []string{
		"http://192.0.2.1:3000",
		"http://10.0.0.1",
		"http://0.0.0.0:3000",
		"http://[2001:db8::1]:3000",
		"http://169.254.169.254",
		"https://127.0.0.1:3000",
		"http://127.0.0.1:3000/crud",
		"http://user@127.0.0.1:3000",
		"127.0.0.1:3000",
		"",
	} {
		if got, err := loopback(t.Context(), url); err == nil {
			t.Errorf("loopback(%q) = %q, want an error", url, got)
		}
	}
}

package apidoc

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"path"
)

// static holds the page and the viewer it uses; its README says which and how to renew it.
//
//go:embed static
var static embed.FS

// How long browsers may keep a file before they ask again.
const (
	revalidate = "no-cache" // asked each time, answered by ETag
	aDay       = "public, max-age=86400"
)

// file is an answer that is ready to be sent.
type file struct {
	contentType string
	cache       string
	etag        string
	body        []byte
}

func newFile(contentType, cache string, body []byte) file {
	sum := sha256.Sum256(body)
	return file{contentType: contentType, cache: cache, etag: `"` + hex.EncodeToString(sum[:12]) + `"`, body: body}
}

// contentTypes has no fallback, so that a file of another kind in static is noticed. The machine's own table, which
// package mime reads, would differ from one machine to the next.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".txt":  "text/plain; charset=utf-8",
}

// pageFiles returns the page, at /documentation/, and its files, below /documentation/static/, by path.
func pageFiles() map[string]file {
	entries, err := fs.ReadDir(static, "static")
	if err != nil {
		panic(err) // it is in the binary
	}
	files := make(map[string]file)
	for _, entry := range entries {
		contentType, ok := contentTypes[path.Ext(entry.Name())]
		if !ok {
			continue // notes for developers
		}
		body, err := fs.ReadFile(static, "static/"+entry.Name())
		if err != nil {
			panic(err) // it is in the binary
		}
		if entry.Name() == "index.html" {
			files[root+"/"] = newFile(contentType, revalidate, body)
			continue
		}
		files[root+"/static/"+entry.Name()] = newFile(contentType, aDay, body)
	}
	return files
}

package main

import (
	"crypto/tls"
	"os"
	"sync/atomic"
	"time"
)

// tlsFiles are the files of the certificate that the service speaks TLS with, and what was in
// them. Without names it speaks none.
type tlsFiles struct {
	cert, key string
	pair      *tls.Certificate
}

// tls reads the files of a certificate and its key.
func (r *reader) tls(certName, keyName string) tlsFiles {
	files := tlsFiles{cert: r.text(certName), key: r.text(keyName)}
	switch {
	case files.cert == "" && files.key == "":
		return files
	case files.cert == "":
		r.wrong(certName, "is required with %s", keyName)
		return files
	case files.key == "":
		r.wrong(keyName, "is required with %s", certName)
		return files
	}
	cert, certErr := os.ReadFile(files.cert)
	if certErr != nil {
		r.wrong(certName, "%v", certErr)
	}
	key, keyErr := os.ReadFile(files.key)
	if keyErr != nil {
		r.wrong(keyName, "%v", keyErr)
	}
	if certErr != nil || keyErr != nil {
		return files
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		r.wrong(certName, "does not go with %s: %v", keyName, err)
	}
	files.pair = &pair
	return files
}

// soon is how long before its end a certificate is warned of.
const soon = 14 * 24 * time.Hour

// A certificate is the one that the service shows, which may be another one later.
type certificate struct {
	files   tlsFiles
	current atomic.Pointer[tls.Certificate]
}

// newCertificate returns the certificate of files, or nil when there are none.
func newCertificate(files tlsFiles) *certificate {
	if files.pair == nil {
		return nil
	}
	c := &certificate{files: files}
	c.current.Store(files.pair)
	return c
}

// reload reads the files again. When they cannot be used the certificate of before stays.
func (c *certificate) reload() error {
	pair, err := tls.LoadX509KeyPair(c.files.cert, c.files.key)
	if err != nil {
		return err
	}
	c.current.Store(&pair)
	return nil
}

// end is when the certificate is valid no longer.
func (c *certificate) end() time.Time { return c.current.Load().Leaf.NotAfter }

// config is how TLS is spoken, or nil when it is not.
func (c *certificate) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}

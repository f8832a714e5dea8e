package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// aCertificate returns a certificate of 127.0.0.1 and its key, in PEM.
func aCertificate(t *testing.T, serial int64, end time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: end, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, bytes []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", pkcs8)
}

// certificateFiles are the two files, which can be written again.
type certificateFiles struct{ cert, key string }

func newCertificateFiles(t *testing.T, serial int64, end time.Time) certificateFiles {
	t.Helper()
	folder := t.TempDir()
	f := certificateFiles{filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")}
	f.write(t, serial, end)
	return f
}

func (f certificateFiles) write(t *testing.T, serial int64, end time.Time) {
	t.Helper()
	cert, key := aCertificate(t, serial, end)
	for path, text := range map[string]string{f.cert: cert, f.key: key} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (f certificateFiles) env() map[string]string {
	return map[string]string{"TLS_CERT_FILE": f.cert, "TLS_KEY_FILE": f.key}
}

func TestConfigOfTLS(t *testing.T) {
	t.Parallel()
	nextYear := time.Now().AddDate(1, 0, 0)
	one, other := newCertificateFiles(t, 1, nextYear), newCertificateFiles(t, 2, nextYear)
	for what, test := range map[string]struct{ cert, key, problem string }{
		"none":                    {"", "", ""},
		"both":                    {one.cert, one.key, ""},
		"no key":                  {one.cert, "", "TLS_KEY_FILE: is required with TLS_CERT_FILE"},
		"no certificate":          {"", one.key, "TLS_CERT_FILE: is required with TLS_KEY_FILE"},
		"a certificate not there": {"no/such.crt", one.key, "TLS_CERT_FILE: open no/such.crt"},
		"a key not there":         {one.cert, "no/such.key", "TLS_KEY_FILE: open no/such.key"},
		"another's key":           {one.cert, other.key, "TLS_CERT_FILE: does not go with TLS_KEY_FILE: tls: private key does not match public key"},
		"the wrong way round":     {one.key, one.cert, "TLS_CERT_FILE: does not go with TLS_KEY_FILE: "},
	} {
		_, err := loadConfig(environment(map[string]string{"TLS_CERT_FILE": test.cert, "TLS_KEY_FILE": test.key}))
		if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) {
			t.Errorf("%s: %v, want %q", what, err, test.problem)
		}
	}
}

// shown is what a server shows of itself.
type shown struct {
	serial   int64
	version  uint16
	protocol string
}

// shake makes a TLS connection.
func shake(t *testing.T, address string, config *tls.Config) (shown, error) {
	t.Helper()
	config.InsecureSkipVerify = true // its issuer is nobody
	conn, err := tls.Dial("tcp", address, config)
	if err != nil {
		return shown{}, err
	}
	defer conn.Close()
	state := conn.ConnectionState()
	return shown{state.PeerCertificates[0].SerialNumber.Int64(), state.Version, state.NegotiatedProtocol}, nil
}

// TestTLS: the service speaks TLS 1.2 and 1.3, and HTTP/1.1 alone; what is no TLS, or never
// becomes it, hinders nobody; and SIGHUP has keys and certificate read again.
func TestTLS(t *testing.T) {
	t.Parallel()
	files := newCertificateFiles(t, 1, time.Now().AddDate(1, 0, 0))
	keysFile := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keysFile, []byte(firstKey), 0o600); err != nil {
		t.Fatal(err)
	}
	env := files.env()
	env["API_KEYS_FILE"], env["HTTP_READ_HEADER_TIMEOUT"] = keysFile, "200ms"
	s := startRun(t, env)
	address := strings.TrimPrefix(s.url, "http://")

	for what, test := range map[string]struct {
		config *tls.Config
		want   shown
	}{
		"TLS 1.3":       {&tls.Config{NextProtos: []string{"h2", "http/1.1"}}, shown{1, tls.VersionTLS13, "http/1.1"}},
		"TLS 1.2":       {&tls.Config{MaxVersion: tls.VersionTLS12}, shown{1, tls.VersionTLS12, ""}},
		"no ALPN":       {&tls.Config{}, shown{1, tls.VersionTLS13, ""}},
		"TLS 1.1":       {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, shown{}},
		"HTTP/2 or not": {&tls.Config{NextProtos: []string{"h2"}}, shown{}},
	} {
		got, err := shake(t, address, test.config)
		if got != test.want || (err == nil) != (test.want != shown{}) {
			t.Errorf("%s: %+v, %v; want %+v", what, got, err, test.want)
		}
	}

	silent, err := net.Dial("tcp", address) // a handshake that never comes
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	plain, err := http.Get(s.url + "/-/healthz")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(plain.Body)
	plain.Body.Close()
	if plain.StatusCode != 400 || !strings.Contains(string(text), "HTTPS") {
		t.Errorf("in the clear: %d %s", plain.StatusCode, text)
	}
	if _, err := bufio.NewReader(silent).ReadByte(); err != io.EOF {
		t.Errorf("a client that says nothing: %v, want the end of the connection", err)
	}

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	count := func(key string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+address+"/users/count", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Client-Key", key)
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := [...]int{count(firstKey), count(secondKey)}; got != [...]int{200, 401} {
		t.Errorf("the keys are answered with %v", got)
	}
	if err := os.WriteFile(keysFile, []byte(secondKey), 0o600); err != nil {
		t.Fatal(err)
	}
	files.write(t, 2, time.Now().Add(time.Hour))
	s.signals <- syscall.SIGHUP
	s.await("the certificate ends soon")
	if got := [...]int{count(firstKey), count(secondKey)}; got != [...]int{401, 200} {
		t.Errorf("read again, the keys are answered with %v", got)
	}
	if got, err := shake(t, address, &tls.Config{}); err != nil || got.serial != 2 {
		t.Errorf("read again, the certificate is %+v, %v", got, err)
	}
	if err := os.Remove(files.key); err != nil {
		t.Fatal(err)
	}
	s.signals <- syscall.SIGHUP
	if line := s.await("certificate not read again, the one of before stays"); !strings.Contains(fmt.Sprint(line["error"]), "no such file") {
		t.Errorf("the log says %v", line)
	}
	if got, err := shake(t, address, &tls.Config{}); err != nil || got.serial != 2 {
		t.Errorf("not read again, the certificate is %+v, %v", got, err)
	}
	s.signals <- os.Interrupt
	s.end()
}

package auth0test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"net/http"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// signing is what tokens are signed with: one key of the process, since to make one takes long.
var signing = sync.OnceValue(func() signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	long := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	form := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tenant.test"}, NotAfter: long}
	certificate, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	sum := sha1.Sum(certificate) // what x5t is made of
	return signer{key, certificate, base64.RawURLEncoding.EncodeToString(sum[:])}
})

type signer struct {
	key         *rsa.PrivateKey
	certificate []byte
	thumbprint  string // the key's id too
}

// sign returns claims as a JWT.
func sign(claims jwt.MapClaims) string {
	s := signing()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = s.thumbprint
	signed, err := token.SignedString(s.key)
	if err != nil {
		panic(err) // claims are texts and numbers
	}
	return signed
}

// keys handles GET /.well-known/jwks.json.
func keys(*call) (*reply, error) {
	s := signing()
	return ok(http.StatusOK, map[string]any{"keys": []any{map[string]any{
		"alg": "RS256", "kty": "RSA", "use": "sig",
		"n":   base64.RawURLEncoding.EncodeToString(s.key.N.Bytes()),
		"e":   base64.RawURLEncoding.EncodeToString(big.NewInt(int64(s.key.E)).Bytes()),
		"kid": s.thumbprint, "x5t": s.thumbprint,
		"x5c": []string{base64.StdEncoding.EncodeToString(s.certificate)},
	}}}), nil
}

// letters are those of ids and opaque tokens.
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// randomLetters returns n of them.
func randomLetters(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)] // a little uneven, for a stand-in
	}
	return string(b)
}

// randomHex returns 2n hexadecimal digits.
func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

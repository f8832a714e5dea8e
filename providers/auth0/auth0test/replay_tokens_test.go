package auth0test_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var opaque = regexp.MustCompile(`^[A-Za-z0-9_-]{32}$`)

// accessToken says whether a text is the access token that was asked for: a signed one
// for an API, else an opaque one. It stands for {{token}} from now on.
func (m *matcher) accessToken(token string) bool {
	asked := m.fields()
	m.ours["{{token}}"] = token
	if asked["audience"] == "" {
		return opaque.MatchString(token)
	}
	claims := m.r.claims(token)
	grant := "password"
	if asked["grant_type"] == "client_credentials" {
		grant = "client-credentials"
	}
	scope, _ := claims["scope"].(string)
	return scope == asked["scope"] && claims["gty"] == grant && claims["azp"] == asked["client_id"] &&
		names(claims, "aud", asked["audience"]) && lives(claims, 24*time.Hour) && claims["sub"] != nil
}

// idToken says whether a text is an ID token as the tenant signs them.
func (m *matcher) idToken(token string) bool {
	claims := m.r.claims(token)
	for _, name := range []string{"nickname", "name", "picture", "updated_at", "email", "email_verified", "sub"} {
		if claims[name] == nil {
			return false
		}
	}
	return names(claims, "aud", m.fields()["client_id"]) && lives(claims, 10*time.Hour)
}

// fields are the texts in the body of the request, be it a form or JSON.
func (m *matcher) fields() map[string]string {
	fields := map[string]string{}
	if json.Unmarshal(m.asked, &fields) == nil {
		return fields
	}
	values, err := url.ParseQuery(string(m.asked))
	if err != nil {
		m.r.t.Fatal(err)
	}
	for name := range values {
		fields[name] = values.Get(name)
	}
	return fields
}

func names(claims jwt.MapClaims, claim, want string) bool {
	if text, ok := claims[claim].(string); ok {
		return text == want
	}
	list, _ := claims[claim].([]any)
	return slices.Contains(list, any(want))
}

func lives(claims jwt.MapClaims, want time.Duration) bool {
	issued, _ := claims["iat"].(float64)
	expires, _ := claims["exp"].(float64)
	return time.Duration(expires-issued)*time.Second == want
}

// claims are those of a token that one of the tenant's public keys has signed, and nil
// when none has.
func (r *replayer) claims(token string) jwt.MapClaims {
	parsed, err := jwt.Parse(token, func(t *jwt.Token) (any, error) { return r.key(t.Header["kid"]), nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer("https://"+domain+"/"), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	if err != nil {
		return nil
	}
	return parsed.Claims.(jwt.MapClaims)
}

// key is the public key of that name, as the tenant shows it to everybody.
func (r *replayer) key(id any) *rsa.PublicKey {
	var set struct {
		Keys []struct {
			KID string   `json:"kid"`
			Alg string   `json:"alg"`
			Kty string   `json:"kty"`
			Use string   `json:"use"`
			N   string   `json:"n"`
			E   string   `json:"e"`
			X5T string   `json:"x5t"`
			X5C []string `json:"x5c"`
		} `json:"keys"`
	}
	shown := r.do(httptest.NewRequest("GET", "https://"+domain+"/.well-known/jwks.json", nil))
	if err := json.Unmarshal(shown.body, &set); err != nil {
		r.t.Fatalf("keys: %d %s", shown.status, shown.body)
	}
	for _, k := range set.Keys {
		if k.KID == id && k.Alg == "RS256" && k.Kty == "RSA" && k.Use == "sig" {
			return &rsa.PublicKey{N: number(r, k.N), E: int(number(r, k.E).Int64())}
		}
	}
	return &rsa.PublicKey{N: big.NewInt(1), E: 3}
}

func number(r *replayer, text string) *big.Int {
	octets, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		r.t.Fatalf("a key's number: %v", err)
	}
	return new(big.Int).SetBytes(octets)
}

// managementToken is an access token for the Management API.
func (r *replayer) managementToken() string {
	return r.token(map[string]any{"grant_type": "client_credentials", "client_id": managementID, "client_secret": managementSecret, "audience": "https://" + domain + "/api/v2/"})["access_token"]
}

// token is what /oauth/token gives, its texts alone.
func (r *replayer) token(asked map[string]any) map[string]string {
	got := r.post("/oauth/token", asked, 200)
	texts := map[string]string{}
	for name, v := range got {
		if text, ok := v.(string); ok {
			texts[name] = text
		}
	}
	return texts
}

// post sends JSON, and fails unless the answer has that status.
func (r *replayer) post(path string, body any, status int) map[string]any {
	text, err := json.Marshal(body)
	if err != nil {
		r.t.Fatal(err)
	}
	req := httptest.NewRequest("POST", "https://"+domain+path, strings.NewReader(string(text)))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+r.management)
	got := r.do(req)
	var value map[string]any
	if got.status != status || json.Unmarshal(got.body, &value) != nil {
		r.t.Fatalf("POST %s: want %d and JSON, got %d %s", path, status, got.status, got.body)
	}
	return value
}

package embedded

// exceptions are the steps of the contract that the store answers in another way, as
// "scenario/step", with the reason. Where the real server answers a caller's own
// mistake with a 500, or closes the connection, the store answers 400 and says what
// was wrong; what it leaves out on purpose is a 501.
var exceptions = byStep(map[string][]string{
	"what is no array in place of one is the caller's mistake": {
		"02/22", // text where an array is expected passes the schema and fails after it
		"03/16", // null array passes the schema and fails after it
		"08/12", // an item has text for an array
		"31/48", // $push of null
		"31/49", // $set of null for an array
		"31/50", // $pull of an empty text
		"42/11", // text for an array
		"50/13", // permissions are a text
	},
	"a date that no calendar has is the caller's mistake": {
		"04/26", // right shape, month 13
		"04/27", // right shape, hour 25
		"04/28", // right shape, day 32
		"08/11", // an item has month 13
		"32/22", // by id: month 13
		"32/45", // many: month 13
		"34/22", // month 13
		"35/15", // month 13
		"42/10", // month 13
	},
	"an empty array is the caller's mistake": {
		"08/13", // empty array
		"45/34", // empty array on count: the database refuses
	},
	"JSON in a parameter that cannot be read is the caller's mistake": {
		"23/2",  // malformed JSON on the list
		"23/3",  // malformed JSON on count
		"23/4",  // malformed JSON on get
		"23/6",  // JSON null on the list
		"24/10", // plain JSON under the header is not readable
		"24/11", // base64 without the header is not readable
		"27/23", // malformed _q
		"27/26", // malformed _exportOpts
		"28/26", // malformed query
		"32/51", // by id: malformed _q
		"34/20", // malformed _q in a filter
		"35/13", // malformed _q
		"36/30", // many: malformed query
		"38/28", // malformed query
	},
	"the real server closes the connection on a query that its database refuses": {
		"23/9",  // empty JSON array
		"23/25", // invalid pattern: the database refuses and the list answer breaks off
		"23/27", // empty $or: the database refuses and the list answer breaks off
		"45/35", // empty array on the list: the answer breaks off
	},
	"a query that its database refuses is the caller's mistake": {
		"23/26", // invalid pattern on get
		"25/26", // empty $or: the database refuses
	},
	"a value that is taken is the caller's mistake, by a patch too": {
		"28/29", // a username that is taken: 500, not 409
		"28/30", // one new username for two documents
		"34/25", // a username that is taken, alone: 500, not 409
		"53/18", // a username that is taken: 500, not 409
		"56/13", // one filter fits and one does not: insert, which then collides: 500
		"56/18", // without it is not seen: insert, which then collides: 500
	},
	"two operators on one path are the caller's mistake": {
		"29/44", // the same field set and unset
		"29/45", // a field and a part of it
		"30/39", // the same field by $set and $inc
		"34/24", // the same field set and unset, alone
		"53/19", // the same field set and unset
	},
	"an unknown field is the caller's mistake, whatever its first letters": {
		"32/23", // by id: a name that starts like an object field passes the schema and fails after it
		"32/46", // many: a name that starts like an object field passes the schema and fails after it
	},
	"a column that may not be written is the caller's mistake": {
		"32/24", // by id: a column that may not be written
		"32/47", // many: a column that may not be written
		"34/23", // column that may not be written
		"35/14", // column that may not be written
		"46/23", // write: not allowed
		"46/24", // write: not allowed by $inc
		"46/25", // write: a blank makes another name
		"46/26", // write: a JSON array is not understood
		"46/28", // write: a whole object not allowed
		"46/34", // write: bulk
		"55/16", // write columns that do not
	},
	"a file that cannot be read, or a field in it that may not be given, is the caller's mistake": {
		"42/12", // creatorId
		"42/13", // createdAt
		"42/14", // malformed JSON
		"42/15", // malformed ndjson line
		"42/29", // multipart without a boundary
		"43/22", // too few cells
		"43/23", // too many cells
		"44/20", // creatorId
	},
	"spreadsheets are left out on purpose: 501": {
		"42/22", // spreadsheets can be exported but not imported
	},
	"malformed acl_rows is the caller's mistake": {
		"45/29", // malformed
		"45/30", // malformed, on a route that does not use it
		"47/46", // several faults: malformed acl_rows before the query string
		"47/47", // several faults: malformed acl_rows even on an unknown route
	},
	"net/http refuses the URL itself, before any handler": {
		"47/37", // malformed percent-encoding in the path
	},
	"a projection that cuts a required key is the caller's mistake": {
		"52/18", // projection of a path below an object that has a required key, by id: the answer cannot be written
	},
})

// byStep turns the reasons around.
func byStep(reasons map[string][]string) map[string]string {
	out := map[string]string{}
	for reason, steps := range reasons {
		for _, step := range steps {
			out[step] = reason
		}
	}
	return out
}

#!/bin/sh
# Gives accounts to the users of a CSV file: imports them, activates those that were
# inserted, and has change-password mails sent to those that were activated. It needs
# curl and what every POSIX system has.
set -eu

base=${BASE_URL:-http://localhost:3000}
delimiter=,
encoding=utf8
escape='"'
dry=no
given= # ids to begin with, in the place of an import
csv=
patience=60 # seconds without an answer about a job, until it is given up
piece=100   # users of one URL

usage() {
	cat <<'END'
Usage: bulk.sh [options] users.csv
       bulk.sh [options] --ids FILE

Imports the users of a CSV file, gives accounts to those that were inserted, and has a
mail sent to the owner of each new account, by which a password is set.

  --base URL         the service (BASE_URL, or http://localhost:3000)
  --delimiter CHAR   between the cells of the file (,); not the comma when a cell holds an array
  --encoding NAME    of the file (utf8)
  --escape CHAR      what escapes a quote in a quoted cell ("), or null for no quotes at all
  --dry-run          only say what an import would do
  --ids FILE         no import: activate the users whose _id the file has, one a line
  --help             this text

Exit status: 0 all rows became users who were mailed; 1 a step failed; 2 wrong usage;
3 some rows or users failed, which are listed, and the others are done.

The service takes files of USER_IMPORT_MAX_BYTES (1 MiB by default), and sends
AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND mails a second (2). What else a request
needs, such as the header client-key with an API key, goes into ~/.curlrc.
END
}

# complain says something on standard error.
complain() { printf 'bulk.sh: %s\n' "$*" >&2; }

misused() {
	complain "$*"
	complain 'try bulk.sh --help'
	exit 2
}

options() {
	while [ $# -gt 0 ]; do
		case $1 in
		--help | -h)
			usage
			exit 0
			;;
		--dry-run) dry=yes ;;
		--base | --delimiter | --encoding | --escape | --ids)
			[ $# -gt 1 ] || misused "$1 needs a value"
			case $1 in
			--base) base=${2%/} ;;
			--delimiter) delimiter=$2 ;;
			--encoding) encoding=$2 ;;
			--escape) escape=$2 ;;
			--ids) given=$2 ;;
			esac
			shift
			;;
		-?*) misused "$1: there is no such option" ;;
		*)
			[ -z "$csv" ] || misused 'only one file'
			csv=$1
			;;
		esac
		shift
	done
	case $csv$given in
	'') misused 'which file?' ;;
	"$csv" | "$given") ;;
	*) misused '--ids is in the place of a file' ;;
	esac
	[ -z "$given" ] || [ "$dry" = no ] || misused '--dry-run is of an import'
	if [ ! -f "$csv$given" ] || [ ! -r "$csv$given" ]; then
		misused "$csv$given: there is no such file, or it cannot be read"
	fi
	if [ -n "$given" ] && tr -d '\r' <"$given" | grep -qv '^[0-9A-Za-z_-]*$'; then
		misused "$given: must have one _id a line"
	fi
}

# call makes a request, with curl's arguments after the first, and keeps the answer in the
# file that the first names. It fails, and says why, unless the status is 2xx; status is
# 000 when there was no answer.
call() {
	answer=$1
	shift
	: >"$answer"
	status=$(curl -sS -o "$answer" -w '%{http_code}' "$@") || status=000
	case $status in
	2??) return 0 ;;
	000) complain "no answer from $base" ;;
	*) complain "status $status: $(flat "$answer" | sed 's/.*"message":"\(.*\)".*/\1/' | unescaped)" ;;
	esac
	return 1
}

# flat prints a file as one line.
flat() {
	tr -d '\r\n' <"$1"
	echo
}

# unescaped reads what is between the quotes of JSON texts.
unescaped() { sed 's/\\u003c/</g; s/\\u003e/>/g; s/\\u0026/\&/g; s/\\"/"/g; s/\\\\/\\/g'; }

# field prints the text or number that an answer has by a name.
field() { flat "$2" | sed -n 's/.*"'"$1"'": *"\{0,1\}\([^",}]*\).*/\1/p'; }

# texts prints the texts of the array that an answer has by a name, one a line.
texts() { flat "$2" | sed -n 's/.*"'"$1"'":\[\([^]]*\)\].*/\1/p' | tr ',' '\n' | tr -d '" ' | sed '/^$/d'; }

# objects prints the objects of the array that an answer has by a name, one a line and
# without braces. Each begins with the field of the second name.
objects() {
	flat "$3" | sed -n 's/.*"'"$1"'":\[{\(.*\)}\].*/\1/p' | sed 's/},{"'"$2"'":/\
"'"$2"'":/g'
}

lines() { awk 'END { print NR }' "$1"; }

# print_lines prints a file, each line indented.
print_lines() { sed 's/^/  /' "$1"; }

# failed prints what failed, and has the script end with 3.
failed() {
	[ -s "$1" ] || return 0
	print_lines "$1"
	partly=yes
}

# bar shows on standard error how far a job is: a bar in a terminal, elsewhere a line
# at each tenth. It reads the job's events.
bar() {
	tenth=-1
	while IFS= read -r line; do
		case $line in
		data:*'"done":'*'"total":'*) ;;
		*) continue ;;
		esac
		now=${line#*\"done\":}
		now=${now%%[!0-9]*}
		total=${line#*\"total\":}
		total=${total%%[!0-9]*}
		[ "${total:-0}" -gt 0 ] || continue
		if [ -t 2 ]; then
			draw "$1" "$now" "$total"
		elif [ $((10 * now / total)) -gt "$tenth" ]; then
			tenth=$((10 * now / total))
			printf '%s: %d of %d\n' "$1" "$now" "$total" >&2
		fi
	done
}

draw() {
	awk -v label="$1" -v now="$2" -v total="$3" 'BEGIN {
		width = 40
		for (i = 0; i < width; i++) cells = cells (i < int(width * now / total) ? "#" : ".")
		printf "\r%s [%s] %3d %%  %d of %d ", label, cells, 100 * now / total, now, total
	}' >&2
}

# work_off starts the job of a path, with the body of a file, follows it to its end and
# keeps the last answer in a file: work_off LABEL PATH BODY ANSWER.
work_off() {
	call "$4" "$base/jobs/$2" -H 'content-type: application/json' --data-binary "@$3" || return 1
	job=$(field jobId "$4")
	if [ -z "$job" ]; then
		complain 'the answer has no jobId'
		return 1
	fi
	printf '%s: job %s\n' "$1" "$job" >&2
	misses=0
	while :; do # the events end early when the service is started anew
		curl -sNf --speed-limit 1 --speed-time 60 "$base/jobs/$2/$job/events" | bar "$1"
		[ ! -t 2 ] || echo >&2
		if call "$4" "$base/jobs/$2/$job" 2>"$work/why"; then
			misses=0
			case $(field status "$4") in
			completed) return 0 ;;
			failed)
				complain "the job $job failed"
				return 1
				;;
			esac
		else
			misses=$((misses + 1))
			[ "$misses" -gt 1 ] || cat "$work/why" >&2
			case $status in
			4??) misses=$patience ;;
			esac
			if [ "$misses" -ge "$patience" ]; then
				complain "the job $job may go on: ask for $base/jobs/$2/$job"
				return 1
			fi
		fi
		sleep 1
	done
}

# import_rows sends the file and keeps the ids of the users that it made in new.
import_rows() {
	query=
	[ "$dry" = no ] || query='?dryRun=true'
	printf 'Import: %s, %s bytes\n' "$csv" "$(wc -c <"$csv" | tr -d ' ')" >&2
	call "$work/import" -X PATCH "$base/users/import$query" \
		--form-string "delimiter=$delimiter" --form-string "encoding=$encoding" --form-string "escape=$escape" \
		-F 'file=@-;filename=users.csv;type=text/csv' <"$csv" || stop import
	texts inserted "$work/import" >"$work/new"
	texts updated "$work/import" >"$work/updated"
	objects invalid row "$work/import" | sed 's/^"row":\([0-9]*\),"error":"\(.*\)"$/row \1: \2/' | unescaped >"$work/invalid"
	if [ "$dry" = yes ]; then
		printf 'Import, dry run: %d to be inserted, %d to be updated, %d invalid\n' \
			"$(field insertable "$work/import")" "$(lines "$work/updated")" "$(lines "$work/invalid")"
	else
		printf 'Import: %d inserted, %d updated, %d invalid\n' \
			"$(lines "$work/new")" "$(lines "$work/updated")" "$(lines "$work/invalid")"
	fi
	failed "$work/invalid"
}

# activate has accounts made for the users of new, and keeps the ids of those that have
# one in activated.
activate() {
	{
		printf '['
		sed 's/.*/{"filter":{"userId":"&"}}/; $!s/$/,/' "$work/new"
		printf ']'
	} >"$work/body"
	work_off Activation bulk-activation "$work/body" "$work/activation" || stop activation
	printf 'Activation: %d accounts made, %d brought up to date, %d failed\n' \
		"$(field inserted "$work/activation")" "$(field updated "$work/activation")" "$(field failed "$work/activation")"
	objects failures userId "$work/activation" >"$work/failures"
	sed 's/^"userId":"\([^"]*\)","errors":\[{"code":"\([^"]*\)","message":"\(.*\)"}\]$/user \1: \2: \3/' "$work/failures" |
		unescaped >"$work/failed"
	sed 's/^"userId":"\([^"]*\)".*/\1/' "$work/failures" >"$work/inactive"
	failed "$work/failed"
	without "$work/inactive" "$work/new" >"$work/activated"
}

# without prints the lines of the second file whose first word begins none of the first.
without() { awk 'FILENAME == ARGV[1] { out[$1]; next } !($1 in out)' "$1" "$2"; }

# find_accounts asks for the authUserIds of the users of activated, some at once on one
# connection, and keeps them in accounts.
find_accounts() {
	awk -v url="$base/users/?_p=authUserId&_l=$piece" -v piece="$piece" '
		function put() {
			printf "url = \"%s&_q=%%7B%%22_id%%22%%3A%%7B%%22%%24in%%22%%3A%%5B%s%%5D%%7D%%7D\"\n", url, ids
			ids = ""
		}
		{ ids = ids (ids == "" ? "" : ",") "%22" $0 "%22" }
		NR % piece == 0 { put() }
		END { if (ids != "") put() }' "$work/activated" >"$work/urls"
	curl -sSf --fail-early -K "$work/urls" >"$work/users" || stop 'reading the accounts of the users'
	tr '{' '\n' <"$work/users" |
		sed -n 's/.*"_id":"\([^"]*\)".*"authUserId":"\([^"]*\)".*/\1 \2/p' >"$work/pairs"
	without "$work/pairs" "$work/activated" | sed 's/.*/user &: is gone, or has no account any more/' >"$work/gone"
	failed "$work/gone"
	sed 's/^[^ ]* //' "$work/pairs" >"$work/accounts"
}

# mail has a change-password mail sent to the owner of each of accounts.
mail() {
	{
		printf '{"authUsersIds":['
		sed 's/.*/"&"/; $!s/$/,/' "$work/accounts"
		printf ']}'
	} >"$work/body"
	work_off Mails change-password/bulk "$work/body" "$work/mails" || stop mails
	objects failures authUserId "$work/mails" | sed 's/^"authUserId":"\(.*\)"$/account \1: no mail was sent/' | unescaped >"$work/unsent"
	count=$(lines "$work/unsent")
	printf 'Mails: %d sent, %d failed\n' "$(($(field total "$work/mails") - count))" "$count"
	failed "$work/unsent"
}

# stop ends the script at a step that failed.
stop() {
	complain "$1 failed"
	exit 1
}

# leave removes the script's files. When it ends early, the ids of new users are kept.
leave() {
	code=$?
	trap - EXIT
	if [ "$finished" = no ] && [ -s "$work/new" ]; then
		complain "the users' ids are in $work/new; go on with: bulk.sh --base $base --ids $work/new"
		find "$work" -type f ! -name new -exec rm -f {} +
	else
		rm -rf "$work"
	fi
	exit "$code"
}

options "$@"
finished=no
partly=no
work=$(mktemp -d)
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ -n "$given" ]; then
	tr -d '\r' <"$given" | sed '/^$/d' >"$work/new"
else
	import_rows
fi
if [ "$dry" = no ] && [ -s "$work/new" ]; then
	activate
	if [ -s "$work/activated" ]; then
		find_accounts
	fi
	if [ -s "$work/accounts" ]; then
		mail
	fi
fi
finished=yes
[ "$partly" = no ] || exit 3

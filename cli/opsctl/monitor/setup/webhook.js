// What Zabbix runs for each notice: it signs the problem and hands it to opsctl.
// Plain ES5, as the engine inside Zabbix 6.0 to 8.0 wants it. `value` is JSON: the media type's parameters, all texts.

var MACRO = /^(\{[A-Z$][A-Z0-9_.$]*\}|\*UNKNOWN\*)$/;

// What Zabbix could not resolve comes as the macro itself.
function known(text) {
    return typeof text === 'string' && !MACRO.test(text) ? text : '';
}

// '2026.11.21' and '11:41:00' of a user whose time zone is UTC -> seconds since the epoch; 0 = not known.
function seconds(date, time) {
    var day = known(date).split('.'), clock = known(time).split(':');
    if (day.length !== 3 || clock.length !== 3) {
        return 0;
    }
    return Date.UTC(+day[0], day[1] - 1, +day[2], +clock[0], +clock[1], +clock[2]) / 1000;
}

function list(text) {
    var found;
    try {
        found = JSON.parse(known(text) || '[]');
    } catch (error) {
        found = [];
    }
    return Array.isArray(found) ? found : [];
}

function hex(unit) {
    return '\\u' + ('000' + unit.toString(16)).slice(-4);
}

// Pure ASCII: outside of it the engine signs other bytes than it sends.
function ascii(text) {
    var out = '', i, code;
    for (i = 0; i < text.length; i++) {
        code = text.charCodeAt(i);
        if (code > 0xffff) {
            out += hex(0xd800 + ((code - 0x10000) >> 10)) + hex(0xdc00 + ((code - 0x10000) & 0x3ff));
        } else {
            out += code > 0x7e ? hex(code) : text.charAt(i);
        }
    }
    return out;
}

function body(given) {
    var groups = known(given.groups);
    return ascii(JSON.stringify({
        version: 1,
        source: 'zabbix',
        eventid: known(given.eventid),
        value: known(given.value),
        update: known(given.update) || '0',
        r_eventid: known(given.r_eventid),
        trigger_id: known(given.trigger_id),
        name: known(given.name),
        severity: known(given.severity),
        host: known(given.host),
        host_id: known(given.host_id),
        address: known(given.address),
        tags: list(given.tags),
        opdata: known(given.opdata),
        clock: seconds(given.date, given.time),
        r_clock: seconds(given.r_date, given.r_time),
        groups: groups ? groups.split(/,\s*/) : [],
        acknowledged: known(given.acknowledged) === 'Yes'
    }));
}

function post(given, text) {
    var request = new HttpRequest(), stamp = String(Math.floor(Date.now() / 1000)), answer;
    request.addHeader('Content-Type: application/json');
    request.addHeader('X-Opsctl-Timestamp: ' + stamp);
    request.addHeader('X-Opsctl-Signature: sha256=' + hmac('sha256', given.secret, stamp + '.' + text));
    answer = request.post(given.url, text);
    if (request.getStatus() < 200 || request.getStatus() > 299) {
        throw 'opsctl answered HTTP ' + request.getStatus() + ': ' + String(answer).slice(0, 200);
    }
    return answer;
}

// What opsctl wants written on the problem: its answer's `tags`, if any.
function wanted(answer) {
    var found = {};
    try {
        found = JSON.parse(answer).tags;
    } catch (error) {
        found = {};
    }
    return found && typeof found === 'object' && !Array.isArray(found) ? found : {};
}

var given = JSON.parse(value);
if (!given.url || !known(given.secret)) {
    throw 'the media type lacks its url or secret; run `opsctl monitor setup` again';
}
return JSON.stringify({tags: wanted(post(given, body(given)))});

/**
 * Profiles an application as job.yaml says: profilingJob(file: 'job.yaml', baseline: 'main').
 *
 * It only runs the command line profjob. What was given reaches the shell as environment variables,
 * never as text of a script. profilingJob.txt tells of every parameter; docs/jenkins.md of the rest.
 */
import groovy.transform.Field

@Field final static Map DEFAULTS = [
    file: 'job.yaml',
    mode: '',
    failOn: 'regression',
    baseline: 'main',
    acceptBaseline: null,
    set: [],
    namespace: '',
    tag: '',
    timeout: '2h',
    poll: '60s',
    results: 'profiling_output',
    resultsUrl: '',
    only: '',
    archive: true,
    archiveRaw: false,
    stash: 'profiling_output',
    maxStashBytes: 20000000,
    extra: [],
]
@Field final static Map<String, Integer> SECONDS = [s: 1, m: 60, h: 3600]
@Field final static List<String> MODES = ['', 'kubernetes', 'docker', 'process']
@Field final static List<String> FAIL_ON = ['regression', 'failure', 'never']
@Field final static String PLAIN = '[A-Za-z0-9_][A-Za-z0-9_.-]*'
// profjob's exit codes: docs/cli.md. 124 is that of timeout(1).
@Field final static int GATE_FAILED = 1
@Field final static int TIMED_OUT = 4
@Field final static int UNREACHABLE = 5
@Field final static int TIMEOUT_ENDED_IT = 124
@Field final static int BROKEN = 70
@Field final static int SHOWN_LINES = 3
@Field final static int HICCUPS = 5

/** Returns [code, name, mode, results, message] unless the build fails by it. */
Map call(Map given = [:]) {
    String wrong = complaint(given)
    if (wrong) {
        error "profilingJob: ${wrong}"
    }
    Map asked = DEFAULTS + given
    asked.mode = asked.mode ?: foundMode()
    asked.accepts = asked.acceptBaseline == null ? env.BRANCH_IS_PRIMARY == 'true' : asked.acceptBaseline
    echo "profilingJob: ${asked.file}, ${asked.mode}"
    removeOldResults(asked)
    Map done
    try {
        done = asked.mode == 'kubernetes' ? onKubernetes(asked) : onThisAgent(asked)
    } finally {
        keep(asked)
    }
    judge(asked, done)
    return done
}

/** Applies the job and follows it in short polls: a long silent command is what agents lose. */
Map onKubernetes(Map asked) {
    Map applied = profjob(['apply', asked.file, '-o', 'name'] + tagOf(asked) + changes(asked) + asked.extra)
    if (applied.code != 0) {
        return outcome(asked, applied, '')
    }
    String name = applied.text.tokenize('/').last()
    Map ended
    try {
        ended = waited(asked, name)
        if (ended.code == TIMED_OUT) {
            stop(asked, name)
        }
    } catch (InterruptedException aborted) {
        stop(asked, name)
        fetch(asked, name)
        throw aborted
    }
    Map fetched = fetch(asked, name)
    boolean lost = fetched.code != 0 && ended.code <= GATE_FAILED
    return outcome(asked, lost ? fetched : ended, name)
}

/** Runs the job with the Docker engine, or the processes, of this agent. */
Map onThisAgent(Map asked) {
    List words = ['run', asked.file, '--executor', asked.mode, '--results', asked.results]
    try {
        Map ended = profjob(words + changes(asked) + asked.extra, seconds(asked.timeout))
        if (ended.code == TIMEOUT_ENDED_IT) {
            ended.code = TIMED_OUT
        }
        return outcome(asked, ended, '')
    } catch (InterruptedException aborted) {
        stop(asked, "./${asked.results}")
        throw aborted
    }
}

/** The end of a job, or code 4 when the step's own time is over. */
Map waited(Map asked, String name) {
    int poll = seconds(asked.poll)
    int left = seconds(asked.timeout)
    int hiccups = 0
    Map last = [code: TIMED_OUT, text: '']
    while (left > 0) {
        int now = Math.min(left, poll)
        last = profjob(['wait', name, '--timeout', "${now}s".toString()] + where(asked))
        left -= now
        // An API server that does not answer has printed no outcome; a lost job has.
        hiccups = last.code == UNREACHABLE && !last.text ? hiccups + 1 : 0
        if (last.code != TIMED_OUT && (hiccups == 0 || hiccups > HICCUPS)) {
            return last
        }
        if (hiccups > 0) {
            sleep time: now, unit: 'SECONDS'
        }
    }
    return last.code == UNREACHABLE ? last : [code: TIMED_OUT, text: last.text]
}

Map fetch(Map asked, String name) {
    List url = asked.resultsUrl ? ['--results-url', asked.resultsUrl] : []
    List chosen = asked.only ? ['--only', asked.only] : ['--small']
    return profjob(['fetch', name, '-d', asked.results] + chosen + url + where(asked))
}

/** Cancels the job and gives it a little time, so that its profile so far is kept. */
void stop(Map asked, String name) {
    List place = asked.mode == 'kubernetes' ? where(asked) : []
    profjob(['cancel', name, '--wait', '--timeout', '120s'] + place)
}

/** Publishes what is there, whatever became of the job. */
void keep(Map asked) {
    if (!fileExists("${asked.results}/status.json")) {
        return
    }
    junit testResults: "${asked.results}/junit.xml", allowEmptyResults: true, skipMarkingBuildUnstable: true
    if (asked.archive) {
        String left = asked.archiveRaw ? '' : "${asked.results}/raw/**"
        archiveArtifacts artifacts: "${asked.results}/**", excludes: left, allowEmptyArchive: true
    }
    if (asked.stash) {
        stash name: asked.stash, includes: "${asked.results}/**", excludes: tooLarge(asked), allowEmpty: true
    }
}

/** What a stash, which goes through the controller, must not hold: patterns with commas between. */
String tooLarge(Map asked) {
    String found = shell('find the files that are too large to stash', '''
        cd "$PROFILING_ARG_0"
        find . -type f ! -path './raw/*' -exec wc -c {} \\; | sort -n |
          awk -v limit="$PROFILING_ARG_1" '{ total += $1; if (total > limit) print $1, substr($2, 3) }'
        '''.stripIndent(), [asked.results, "${asked.maxStashBytes}".toString()])
    List patterns = ["${asked.results}/raw/**".toString()]
    for (String line : found.readLines()) {
        List<String> part = line.tokenize(' ')
        echo "profilingJob: not stashed: ${part[1]} has ${part[0]} bytes, and together with what is smaller " +
            "more than maxStashBytes: ${asked.maxStashBytes}"
        patterns.add("${asked.results}/${part[1]}".toString())
    }
    return patterns.join(',')
}

/** Results that an earlier build left in this workspace must not seem to be this one's. */
void removeOldResults(Map asked) {
    if (fileExists("${asked.results}/status.json")) {
        shell('remove the results of an earlier build', 'rm -rf -- "$PROFILING_ARG_0"', [asked.results])
    }
}

/** A cluster if one is known here, else a Docker engine, else processes. */
String foundMode() {
    return shell('where jobs can run', '''
        if [ -n "$KUBECONFIG$KUBERNETES_SERVICE_HOST" ] || [ -f "$HOME/.kube/config" ]; then echo kubernetes
        elif [ -n "$DOCKER_HOST" ] || [ -S /var/run/docker.sock ]; then echo docker
        else echo process
        fi
        '''.stripIndent(), []).trim()
}

/** Runs profjob, with words that may hold anything: [code, text that it printed]. */
Map profjob(List words, int limit = 0) {
    String program = limit > 0 ? "timeout -s TERM ${limit} profjob" : 'profjob'
    String script = "code=0; ${program}${references(words)} || code=\$?; echo \"exit \$code\""
    String told = shell("profjob ${words[0]}", script, words)
    int end = told.lastIndexOf('exit ')
    Map done = [code: told.substring(end + 5).trim() as int, text: told.substring(0, end).trim()]
    if (done.text) {
        echo done.text
    } else if (done.code == GATE_FAILED) {
        done.code = BROKEN // a verdict has words; a program that breaks has none, and Python's code for it is 1, too
    }
    return done
}

/** What a script prints; words are $PROFILING_ARG_0, $PROFILING_ARG_1 and so on in it. */
String shell(String label, String script, List words) {
    List<String> variables = []
    for (int index = 0; index < words.size(); index++) {
        variables.add("PROFILING_ARG_${index}=${words[index]}".toString())
    }
    String told = ''
    withEnv(variables) {
        told = sh(label: label, script: script, returnStdout: true)
    }
    return told
}

/** Fails the build, makes it unstable, or leaves it alone. */
void judge(Map asked, Map done) {
    if (done.code == 0 || (done.code == GATE_FAILED && asked.failOn == 'never')) {
        return
    }
    if (done.code == GATE_FAILED && asked.failOn == 'failure') {
        unstable done.message
    } else {
        error done.message
    }
}

/** What is wrong with the parameters; empty when nothing is. */
@NonCPS
String complaint(Map given) {
    for (Object name : given.keySet()) {
        if (!DEFAULTS.containsKey(name)) {
            return "${name}: no parameter; there are ${DEFAULTS.keySet().join(', ')}"
        }
    }
    Map asked = DEFAULTS + given
    if (!MODES.contains(asked.mode)) {
        return "mode: '${asked.mode}': must be kubernetes, docker or process; empty: what is found"
    }
    if (!FAIL_ON.contains(asked.failOn)) {
        return "failOn: '${asked.failOn}': must be one of ${FAIL_ON.join(', ')}"
    }
    // It stands in the patterns of junit, archiveArtifacts and stash.
    if (!asked.results.toString().matches("${PLAIN}(/${PLAIN})*".toString())) {
        return "results: '${asked.results}': must be a folder of the workspace, of letters, digits, _, . and -"
    }
    if (!asked.maxStashBytes.toString().matches('[0-9]{1,18}')) {
        return "maxStashBytes: '${asked.maxStashBytes}': must be a number of bytes"
    }
    for (String name : ['timeout', 'poll']) {
        if (!asked[name].toString().matches('[1-9][0-9]{0,5}[smh]')) {
            return "${name}: '${asked[name]}': must be a duration such as 90s, 30m or 2h"
        }
    }
    return ''
}

@NonCPS
int seconds(Object duration) {
    String text = "${duration}"
    int last = text.length() - 1
    return Integer.parseInt(text.substring(0, last)) * SECONDS[text.substring(last)]
}

@NonCPS
List where(Map asked) {
    return asked.namespace ? ['--namespace', asked.namespace] : []
}

@NonCPS
List tagOf(Map asked) {
    return where(asked) + (asked.tag ? ['--build-tag', asked.tag] : [])
}

/** What differs from the file. */
@NonCPS
List changes(Map asked) {
    List words = []
    for (String one : settings(asked.set)) {
        words.addAll(['--set', one])
    }
    return words + (asked.accepts ? ['--accept-baseline', asked.baseline] : [])
}

/** FIELD=VALUE each: of a map, in which an empty value changes nothing, or of a list that has them so. */
@NonCPS
List<String> settings(Object given) {
    List<String> found = []
    if (given in Map) {
        for (Map.Entry one : given.entrySet()) {
            if (one.value != null && "${one.value}" != '') {
                found.add("${one.key}=${one.value}".toString())
            }
        }
    } else {
        for (Object one : given) {
            found.add("${one}".toString())
        }
    }
    return found
}

@NonCPS
String references(List words) {
    String found = ''
    for (int index = 0; index < words.size(); index++) {
        found += " \"\$PROFILING_ARG_${index}\""
    }
    return found
}

/** What became of the job; the message is what profjob said first, and of gates. */
@NonCPS
Map outcome(Map asked, Map ended, String name) {
    Map meaning = [(GATE_FAILED): 'a gate was not met', 2: 'bad usage, or a bad job', 3: 'the job failed',
        (TIMED_OUT): "not finished within ${asked.timeout}", (UNREACHABLE): 'the platform cannot be reached',
        6: 'the profile is not usable', (BROKEN): 'profjob itself broke']
    List lines = ended.text.readLines()
    List told = lines.take(1) + lines.findAll { one -> one.startsWith('gate  Failed') }.take(SHOWN_LINES)
    String why = meaning[ended.code] ?: (ended.code == 0 ? 'all is well' : "profjob ended with ${ended.code}")
    String said = told ? told.join('; ') : 'see the log above'
    return [code: ended.code, name: name, mode: asked.mode, results: asked.results,
        message: ended.code == 0 ? why : "profilingJob ${name ?: asked.file}: ${why}: ${said}".toString()]
}

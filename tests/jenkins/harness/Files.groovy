import java.nio.file.FileSystems
import java.nio.file.Path
import java.nio.file.PathMatcher

/** Steps that look at files of the workspace by Ant's patterns. */
class Files {

    File workspace

    /** Path to size of what the patterns, with commas between, include and do not exclude. */
    Map<String, Long> find(String includes, String excludes) {
        List<PathMatcher> wanted = matchers(includes)
        List<PathMatcher> unwanted = matchers(excludes ?: '')
        Map<String, Long> found = [:]
        workspace.eachFileRecurse { file ->
            Path path = workspace.toPath().relativize(file.toPath())
            if (file.isFile() && wanted.any { it.matches(path) } && !unwanted.any { it.matches(path) }) {
                found[path as String] = file.length()
            }
        }
        return found.sort()
    }

    /** What Jenkins' JUnit plugin would show. */
    List<Map> cases(String pattern) {
        return find(pattern, '').keySet().collectMany { path ->
            Node suite = new XmlParser().parse(new File(workspace, path))
            suite.testcase.collect { one -> [name: one.@name, suite: one.@classname] + verdict(one) }
        }
    }

    private static Map verdict(Node one) {
        Node told = one.failure[0] ?: one.skipped[0]
        return [verdict: told ? told.name() : 'passed', message: told ? told.@message : one.text()]
    }

    private static List<PathMatcher> matchers(String patterns) {
        List<String> all = patterns.tokenize(',').collectMany { one ->
            String pattern = one.trim()
            pattern.contains('**/') ? [pattern, pattern.replace('**/', '')] : [pattern]
        }
        return all.collect { one -> FileSystems.default.getPathMatcher("glob:${one}") }
    }

}

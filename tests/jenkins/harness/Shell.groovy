/** Jenkins' step `sh`: really executes, as Jenkins does with `sh -xe`, in the workspace. */
class Shell {

    File workspace
    /** The environment of the agent, below that of the build. */
    Map agent
    StringBuilder log
    /** When a script with this label would start for so many times, the build is aborted instead. */
    String abortAt
    int abortTurn

    Object run(Map asked, Map environment) {
        if (abortAt && asked.label == abortAt && --abortTurn == 0) {
            throw new InterruptedException('aborted')
        }
        Process started = start(asked.script, environment)
        StringBuilder printed = new StringBuilder()
        started.waitForProcessOutput(asked.returnStdout ? printed : log, log)
        int code = started.exitValue()
        if (asked.returnStatus) {
            return code
        }
        if (code != 0) {
            throw new Failed("script returned exit code ${code}")
        }
        return asked.returnStdout ? printed as String : null
    }

    private Process start(String script, Map environment) {
        ProcessBuilder made = new ProcessBuilder('sh', '-xe', '-c', script).directory(workspace)
        made.environment().clear()
        made.environment().putAll(agent)
        environment.each { name, value -> made.environment()[name as String] = value as String }
        Process started = made.start()
        started.outputStream.close()
        return started
    }

}

/** What Jenkins throws where a step fails: hudson.AbortException. */
class Failed extends Exception {

    Failed(String message) {
        super(message)
    }

}

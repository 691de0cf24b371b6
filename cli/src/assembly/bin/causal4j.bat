@echo off
rem Runs the program with the Java of the folder runtime, of JAVA_HOME or of PATH; it must be 25.0.3 or later.
rem CAUSAL4J_JAVA_OPTS adds flags for Java, for instance -Xmx8g or -Dcausal4j.kernels=scalar.
setlocal
set "home=%~dp0.."
set "java=java"
if defined JAVA_HOME set "java=%JAVA_HOME%\bin\java"
if exist "%home%\runtime\bin\java.exe" set "java=%home%\runtime\bin\java"
"%java%" "@%home%\lib\java.flags" -XX:MaxDirectMemorySize=896g --add-modules=jdk.incubator.vector %CAUSAL4J_JAVA_OPTS% -jar "%home%\lib\causal4j-cli.jar" %*
exit /b %ERRORLEVEL%

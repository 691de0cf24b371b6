@echo off
rem Runs the program with the Java of the folder runtime if there is one, else of JAVA_HOME or PATH; it must be 25.0.3 or later.
rem CAUSAL4J_JAVA_OPTS adds flags for Java, for instance -Xmx8g or -Dcausal4j.kernels=scalar.
setlocal disabledelayedexpansion

rem Java gets these variables, too: HOME would be the place of the models from the hub.
set "causal4j_home=%~dp0.."
set "causal4j_java="
for %%j in (java.exe) do set "causal4j_java=%%~$PATH:j"
if defined JAVA_HOME if exist "%JAVA_HOME%\bin\java.exe" set "causal4j_java=%JAVA_HOME%\bin\java.exe"
if exist "%causal4j_home%\runtime\bin\java.exe" set "causal4j_java=%causal4j_home%\runtime\bin\java.exe"
if not defined causal4j_java (
  >&2 echo JDK: expected 25.0.3 or later in JAVA_HOME or PATH, got none; install one
  exit /b 1
)

set "causal4j_flags="
rem An option of all commands may stand before the name of one.
set "causal4j_command=%~1"
if "%~1"=="--debug" set "causal4j_command=%~2"
rem Only commands that compute load the vector module. Java warns about it in one line on standard error.
for %%c in (generate chat run score embed eval verify snapshot train bench serve convert -V --version) do if "%causal4j_command%"=="%%c" set "causal4j_flags=%causal4j_flags% --add-modules=jdk.incubator.vector"
rem A step makes nothing large anew.
if "%causal4j_command%"=="train" set "causal4j_flags=%causal4j_flags% -XX:MaxNewSize=16m"

"%causal4j_java%" "@%causal4j_home%\lib\java.flags" %causal4j_flags% %CAUSAL4J_JAVA_OPTS% -jar "%causal4j_home%\lib\causal4j-cli.jar" %*
exit /b %ERRORLEVEL%

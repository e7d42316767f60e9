# StreamRec's verbs; build.sh has the same. Usage: ./build.ps1 setup|build|test|demo|bench|clean [arguments]
param([Parameter(Position = 0)][string]$Verb = 'help', [Parameter(ValueFromRemainingArguments)][string[]]$Rest = @())
$ErrorActionPreference = 'Stop'
Set-Location $PSScriptRoot
$env:DOTNET_NOLOGO = '1'
$env:DOTNET_CLI_TELEMETRY_OPTOUT = '1'
$env:MSBUILDDISABLENODEREUSE = '1'

function Invoke-Checked([string]$Program, [string[]]$Arguments) {
    & $Program @Arguments
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
}

# The libraries below are Linux's; on Linux the shell script knows how to install them.
function Invoke-Setup {
    if ($IsLinux) { Invoke-Checked './build.sh' @('setup'); return }
    if (-not (Get-Command dotnet -ErrorAction SilentlyContinue) -or -not (dotnet --list-sdks | Select-String '^10\.')) {
        throw 'StreamRec needs the .NET SDK 10: see https://dotnet.microsoft.com/download/dotnet/10.0'
    }
    throw 'StreamRec builds and runs on Linux (libtorch, librdkafka and SQLite as system libraries). On Windows use WSL with Debian, then ./build.sh demo'
}

function Invoke-Build([string]$Target) {
    Invoke-Setup
    Invoke-Checked 'dotnet' @('build', $Target, '-c', 'Release', '--nologo', '-v', 'quiet', '-clp:NoSummary')
}

switch ($Verb) {
    'setup' { Invoke-Setup }
    'build' { Invoke-Build 'StreamRec.sln' }
    'test' { Invoke-Build 'StreamRec.sln'; Invoke-Checked 'dotnet' (@('test', 'StreamRec.sln', '-c', 'Release', '--no-build', '--nologo') + $Rest) }
    'demo' { Invoke-Build 'src/StreamRec.Cli'; Invoke-Checked 'artifacts/bin/StreamRec.Cli/release/streamrec' (@('demo') + $Rest) }
    'bench' { Invoke-Build 'tests/StreamRec.Benchmarks'; Invoke-Checked 'artifacts/bin/StreamRec.Benchmarks/release/StreamRec.Benchmarks' $Rest }
    'clean' { Remove-Item -Recurse -Force artifacts -ErrorAction SilentlyContinue }
    default {
        Write-Output "StreamRec's verbs: ./build.ps1 setup|build|test|demo|bench|clean [arguments]"
        if ($Verb -ne 'help') { exit 2 }
    }
}

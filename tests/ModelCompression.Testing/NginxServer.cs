using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace ModelCompression.Testing;

/// <summary>nginx with WebDAV on a port of this machine, serving a folder of its own as a remote cache.</summary>
public sealed class NginxServer : IDisposable
{
    private readonly TemporaryFolder _folder = new("mcb-nginx-");
    private Process _process = null!;

    /// <summary>Starts the server and waits until it answers.</summary>
    /// <param name="methods">The methods it lets write: <c>PUT</c>, or <c>off</c> for a cache that is only read.</param>
    public NginxServer(string methods = "PUT")
    {
        string program = DebianProgram.Path("nginx", "nginx");
        Directory.CreateDirectory(Root);
        // Somebody else may take the port before the server does.
        for (int attempt = 0; attempt < 3; attempt++)
            if (Start(program, FreePort(), methods)) return;
        throw new AssertInconclusiveException("nginx does not run here: " + (File.Exists(_folder.Path + "/error.log") ? File.ReadAllText(_folder.Path + "/error.log") : "no message"));
    }

    private bool Start(string program, int port, string methods)
    {
        Address = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/cache/");
        string configuration = _folder.Write("nginx.conf", $$"""
            daemon off;
            master_process off;
            pid {{_folder.Path}}/nginx.pid;
            error_log {{_folder.Path}}/error.log;
            events { }
            http {
              access_log {{LogPath}};
              client_max_body_size 0;
              client_body_temp_path {{_folder.Path}}/body;
              proxy_temp_path {{_folder.Path}}/proxy;
              fastcgi_temp_path {{_folder.Path}}/fastcgi;
              uwsgi_temp_path {{_folder.Path}}/uwsgi;
              scgi_temp_path {{_folder.Path}}/scgi;
              server {
                listen 127.0.0.1:{{port}};
                location /cache/ {
                  alias {{Root}}/;
                  dav_methods {{methods}};
                  create_full_put_path on;
                }
              }
            }
            """);
        _process = Process.Start(new ProcessStartInfo(program, ["-e", $"{_folder.Path}/error.log", "-p", _folder.Path, "-c", configuration]) { UseShellExecute = false })!;
        return SpinWait.SpinUntil(() => _process.HasExited || Answers(port), TimeSpan.FromSeconds(20)) && !_process.HasExited;
    }

    /// <summary>Address of the cache, with a final slash.</summary>
    public string Address { get; private set; } = "";

    /// <summary>The folder behind it.</summary>
    public string Root => System.IO.Path.Combine(_folder.Path, "root");

    private string LogPath => System.IO.Path.Combine(_folder.Path, "access.log");

    /// <summary>Requests so far, as <c>GET 200</c>.</summary>
    public IReadOnlyList<string> Requests =>
        [.. File.ReadAllLines(LogPath).Select(line => line.Split('"')).Select(parts => parts[1].Split(' ')[0] + " " + parts[2].Trim().Split(' ')[0])];

    /// <summary>A port nobody listens on.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _folder.Dispose();
    }

    private static bool Answers(int port)
    {
        try
        {
            using var client = new TcpClient();
            client.Connect(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            Thread.Sleep(20);
            return false;
        }
    }
}

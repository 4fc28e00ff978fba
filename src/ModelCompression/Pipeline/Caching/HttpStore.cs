using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace ModelCompression.Pipeline.Caching;

/// <summary>
/// A store behind HTTP: <c>GET</c> and <c>PUT</c> of <c>&lt;address&gt;/ac/&lt;key&gt;</c> and <c>&lt;address&gt;/cas/&lt;sha256&gt;</c>. No transfer waits longer than a few
/// seconds for the next bytes; a transfer that moves on may take as long as it needs.
/// </summary>
internal sealed class HttpStore : ResultStore
{
    private const int BufferByteLength = 1 << 17;

    private readonly HttpClient client;
    private readonly Uri address;
    private readonly StorePatience patience;
    private readonly UnreachableMark mark;

    /// <summary>Makes a store; nothing is sent yet.</summary>
    /// <param name="address">Absolute address; user name and password in it become basic authentication.</param>
    /// <param name="patience">How long to wait, or null for the defaults.</param>
    public HttpStore(Uri address, StorePatience? patience = null)
    {
        this.patience = patience ?? StorePatience.Default;
        string text = address.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped);
        this.address = new Uri(text.EndsWith('/') ? text : text + "/");
        mark = new UnreachableMark(this.address, this.patience.Remembered);
        client = new HttpClient(new SocketsHttpHandler { ConnectTimeout = this.patience.Connect, AllowAutoRedirect = true }) { Timeout = Timeout.InfiniteTimeSpan };
        if (address.UserInfo.Length > 0)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(address.UserInfo))));
    }

    /// <inheritdoc/>
    public override string Name => address.AbsoluteUri;

    /// <inheritdoc/>
    public override bool Get(string name, Stream target, long limit, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(address, name));
        return Exchange(request, null, async (response, watch) =>
        {
            if (response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Gone) return false;
            if (response.StatusCode != HttpStatusCode.OK) throw new StoreException($"it answered GET with status {(int)response.StatusCode}", permanent: true);
            using var body = await response.Content.ReadAsStreamAsync(watch.Token).ConfigureAwait(false);
            byte[] buffer = new byte[Math.Min(BufferByteLength, limit + 1)];
            for (int read; limit > 0 && (read = await body.ReadAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, limit)), watch.Token).ConfigureAwait(false)) > 0; limit -= read)
            {
                watch.CancelAfter(patience.Answer);
                await target.WriteAsync(buffer.AsMemory(0, read), CancellationToken.None).ConfigureAwait(false);
            }

            return true;
        }, cancellation);
    }

    /// <inheritdoc/>
    public override void Put(string name, Stream source, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, new Uri(address, name));
        Exchange(request, source, (response, _) => response.StatusCode switch
        {
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.MethodNotAllowed or HttpStatusCode.NotImplemented =>
                throw new ReadOnlyStoreException($"it answered PUT with status {(int)response.StatusCode}"),
            _ when response.IsSuccessStatusCode => Task.FromResult(true),
            _ => throw new StoreException($"it answered PUT with status {(int)response.StatusCode}", permanent: true),
        }, cancellation);
    }

    /// <inheritdoc/>
    public override void Dispose() => client.Dispose();

    /// <summary>Sends a request and handles the answer, on this thread as the caller sees it.</summary>
    private bool Exchange(HttpRequestMessage request, Stream? upload, Func<HttpResponseMessage, CancellationTokenSource, Task<bool>> handle, CancellationToken cancellation)
    {
        if (mark.IsFresh) throw new StoreException("it was out of reach a moment ago", permanent: true);
        using var watch = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        watch.CancelAfter(patience.Connect + patience.Answer);
        if (upload is not null) request.Content = new UploadContent(upload, () => watch.CancelAfter(patience.Answer));
        try
        {
            return Task.Run(async () =>
            {
                using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, watch.Token).ConfigureAwait(false);
                return await handle(response, watch).ConfigureAwait(false);
            }, CancellationToken.None).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            cancellation.ThrowIfCancellationRequested();
            mark.Set();
            string reason = e is OperationCanceledException ? "it did not answer in time" : Innermost(e).Message;
            throw new StoreException(reason, permanent: true, e);
        }
    }

    private static Exception Innermost(Exception e) => e.InnerException is { } inner ? Innermost(inner) : e;

    /// <summary>A body of known length that tells of every step it makes.</summary>
    private sealed class UploadContent : HttpContent
    {
        private readonly Stream source;
        private readonly Action progress;

        public UploadContent(Stream source, Action progress)
        {
            this.source = source;
            this.progress = progress;
            Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            byte[] buffer = new byte[BufferByteLength];
            for (int read; (read = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
            {
                await stream.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
                progress();
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = source.Length - source.Position;
            return true;
        }
    }
}

"""What can go wrong with files."""

from kit.errors import DomainError, Kind, Words


class FileNotFound(DomainError):
    """No such file, or not the caller's to see."""

    kind = Kind.NOT_FOUND
    code = "file-not-found"
    title = Words("没有该文件", "No such file")
    advice = Words(
        "只有上传网点可直接读取；经办机构须用 application 参数指明办件。",
        "The outlet that sent it reads it; an agency names the application in `application`.",
    )


class FileTooLarge(DomainError):
    """More than 20 MiB."""

    kind = Kind.TOO_LARGE
    code = "file-too-large"
    title = Words("文件超过20 MiB", "The file is larger than 20 MiB")
    advice = Words("降低扫描分辨率或分页上传。", "Scan with less resolution, or page by page.")


class FileEmpty(DomainError):
    """No bytes, or no part named `file`."""

    kind = Kind.INVALID
    code = "file-missing"
    title = Words("没有收到文件内容", "No file was received")
    advice = Words(
        "以 multipart/form-data 的 file 字段上传。", "Send multipart/form-data with a part `file`."
    )


class FileKindUnsupported(DomainError):
    """The content is no PDF, JPEG, PNG or OFD."""

    kind = Kind.UNSUPPORTED
    code = "file-kind-unsupported"
    title = Words("只接受 PDF、JPEG、PNG、OFD 文件", "Only PDF, JPEG, PNG and OFD are taken")
    advice = Words(
        "按内容判断种类，与文件名无关；请转换后上传。",
        "The content decides, not the name: convert it.",
    )


class UploadMalformed(DomainError):
    """The multipart body is broken off or not multipart."""

    kind = Kind.MALFORMED
    code = "upload-malformed"
    title = Words("上传内容不完整或格式不对", "The upload is broken off or malformed")
    advice = Words("重新上传整个文件。", "Send the whole file again.")


class FilesAway(DomainError):
    """The store refuses to write or to read: its disk is full, or it can't be reached."""

    kind = Kind.UNAVAILABLE
    code = "files-away"
    title = Words("文件暂时无法存取，请稍后重试", "Files can't be stored or read now")
    advice = Words(
        "稍后重新上传整个文件；没有任何内容被部分保存。断点续传的，从 Upload-Offset 处继续。",
        "Send the whole file again later; nothing was half kept. A resumable upload goes on at its offset.",
    )
    retry_after = 5


class UploadNotFound(DomainError):
    """No such upload, or not the caller's, or expired."""

    kind = Kind.NOT_FOUND
    code = "upload-not-found"
    title = Words("没有该续传任务", "No such upload")
    advice = Words(
        "可能已过期或已终止；请重新创建。", "It has expired or was ended: begin another one."
    )


class UploadVersion(DomainError):
    """The client speaks no version of tus that is spoken here."""

    kind = Kind.STALE
    code = "upload-version"
    title = Words("续传协议版本不支持", "This version of tus is not spoken")
    advice = Words("请求须带 Tus-Resumable: 1.0.0。", "Send `Tus-Resumable: 1.0.0`.")


class UploadMediaType(DomainError):
    """A part that is not sent as tus has it."""

    kind = Kind.UNSUPPORTED
    code = "upload-media-type"
    title = Words("续传内容类型不对", "A part comes with another type")
    advice = Words(
        "Content-Type 须为 application/offset+octet-stream。",
        "Send `Content-Type: application/offset+octet-stream`.",
    )


class UploadOffset(DomainError):
    """The part does not begin where the upload stands, or another one is writing."""

    kind = Kind.CONFLICT
    code = "upload-offset"
    title = Words("续传位置不符", "The part begins elsewhere than the upload stands")
    advice = Words(
        "以 HEAD 查询 Upload-Offset，从该处继续；同一时刻只有最后开始的一个传输有效。",
        "Ask by HEAD where it stands and go on from there; of two that send at once the later one counts.",
    )


class UploadPastLength(DomainError):
    """More bytes than were announced."""

    kind = Kind.TOO_LARGE
    code = "upload-past-length"
    title = Words("内容超过所声明的长度", "More bytes than were announced")
    advice = Words("核对 Upload-Length。", "Look at `Upload-Length` again.")


class ChecksumUnknown(DomainError):
    """A checksum of an algorithm that is not offered, or none at all."""

    kind = Kind.MALFORMED
    code = "checksum-unknown"
    title = Words("校验算法或格式不支持", "This checksum is not understood")
    advice = Words(
        "Upload-Checksum 为算法名、空格和 Base64 值；算法为 sha1、sha256。",
        "`Upload-Checksum` is sha1 or sha256, a space, and Base64.",
    )


class ChecksumMismatch(DomainError):
    """The part is not what its checksum says."""

    kind = Kind.CORRUPTED
    code = "checksum-mismatch"
    title = Words("校验值不符", "The part differs from its checksum")
    advice = Words("该段内容未保存，请重新发送。", "Nothing of the part was kept: send it again.")


class MetadataMalformed(DomainError):
    """`Upload-Metadata` that is none, or too long."""

    kind = Kind.MALFORMED
    code = "upload-metadata"
    title = Words("Upload-Metadata 格式不对或过长", "`Upload-Metadata` is malformed or too long")
    advice = Words(
        "以逗号分隔的键和 Base64 值，总长不超过1024字节。",
        "Keys with Base64 values, separated by commas, 1024 bytes at most.",
    )

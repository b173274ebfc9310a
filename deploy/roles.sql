-- The two roles and the database, made by psql as a superuser: by the image at its first start, or by hand
-- on a server that stands already. Run again it changes passwords to those in the files, and nothing else.
\set ON_ERROR_STOP on
\set owner_password `cat "${SYT_SECRETS:-/run/secrets}/owner_password"`
\set service_password `cat "${SYT_SECRETS:-/run/secrets}/service_password"`

SELECT format('CREATE ROLE %I', name) FROM unnest(ARRAY['syt_owner', 'syt_service']) AS name
WHERE to_regrole(name) IS NULL \gexec
ALTER ROLE syt_owner LOGIN PASSWORD :'owner_password';
ALTER ROLE syt_service LOGIN PASSWORD :'service_password';

SELECT 'CREATE DATABASE syt OWNER syt_owner TEMPLATE template0 ENCODING ''UTF8'''
    ' LOCALE_PROVIDER builtin BUILTIN_LOCALE ''C.UTF-8'' LC_COLLATE ''C'' LC_CTYPE ''C.UTF-8'''
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'syt') \gexec
REVOKE ALL ON DATABASE syt FROM PUBLIC;
GRANT CONNECT ON DATABASE syt TO syt_service;
